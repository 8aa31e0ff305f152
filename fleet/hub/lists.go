package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
)

// ErrNotConnected is returned for what needs a connection while there is none.
var ErrNotConnected = errors.New("there is no connection with the hub")

// ErrNotUnderstood is returned for what a mirror says of one list, if it cannot be read: as if nothing were said of
// that list. A mirror that has the list says it anew.
var ErrNotUnderstood = errors.New("what a mirror says of a list is not understood")

// copyIn is how long the hub may take to send a list, or to take one.
const copyIn = time.Minute

// connection returns the present one.
func (c *Conn) connection() (*nats.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil {
		return nil, ErrNotConnected
	}
	return c.live, nil
}

func (c *Conn) setConnection(nc *nats.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = nc
}

// Offer returns what a mirror has said last of a list; nil if nothing.
func (c *Conn) Offer(ctx context.Context, key string) (*link.Offer, error) {
	m, err := c.last(ctx, fleet.ListSubject(key), answerIn)
	if m == nil || err != nil || len(m.Data) == 0 { // it was taken out
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return nil, fmt.Errorf("%w: its time: %w", ErrNotUnderstood, err)
	}
	o, err := fleet.DecodeList(fleet.ListSubject(key), m.Data, c.clock.boot()-c.clock.uptime(at))
	if err != nil {
		return nil, fmt.Errorf("%w: %.200q", ErrNotUnderstood, err.Error())
	}
	return &o, nil
}

// Copy returns a list, compressed, as a mirror has put it at the hub; nil if there is none.
func (c *Conn) Copy(ctx context.Context, key string) ([]byte, error) {
	m, err := c.last(ctx, fleet.CopySubject(key), copyIn)
	if m == nil || err != nil || len(m.Data) == 0 {
		return nil, err
	}
	return m.Data, nil
}

// Copies are the keys of the lists of which the hub has a copy. Only a mirror may ask.
func (c *Conn) Copies(ctx context.Context) (all []string, err error) {
	nc, err := c.connection()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.NewWithAPIPrefix(nc, c.member.api)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	subjects, err := listSubjects(ctx, js, fleet.CopySubject("*"))
	for _, s := range subjects {
		all = append(all, strings.TrimPrefix(s, fleet.CopySubject("")))
	}
	return all, err
}

// listSubjects are those in the stream of lists that are like one.
func listSubjects(ctx context.Context, js jetstream.JetStream, like string) ([]string, error) {
	stream, err := js.Stream(ctx, keys.Lists)
	if err != nil {
		return nil, asked("about its lists", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(like))
	if err != nil {
		return nil, asked("which lists it has", err)
	}
	return slices.Sorted(maps.Keys(info.State.Subjects)), nil
}

// last returns the last message of a subject of lists; nil if there is none.
func (c *Conn) last(ctx context.Context, subject string, within time.Duration) (*nats.Msg, error) {
	nc, err := c.connection()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, c.member.api+".DIRECT.GET."+keys.Lists+"."+subject, nil)
	switch {
	case err != nil:
		return nil, asked("for a list", err)
	case m.Header.Get("Nats-Subject") == subject:
		return m, nil
	case m.Header.Get("Status") == "404":
		return nil, nil
	}
	return nil, asked("for a list", errors.New(m.Header.Get("Status")+" "+m.Header.Get("Description")))
}

// Mirror says how a list is, for all hosts of the fleet. text, if not nil, is the list itself, compressed. It
// is at the hub before anybody is told of it. What the hub takes, [Conn.Offer] returns; nothing else says so.
func (c *Conn) Mirror(ctx context.Context, l link.List, text []byte) error {
	messages := []*nats.Msg{{Subject: fleet.ListSubject(l.Key), Data: fleet.EncodeList(fleet.Name(c.member.name), l)}}
	if text != nil {
		messages = slices.Insert(messages, 0, &nats.Msg{Subject: fleet.CopySubject(l.Key), Data: text})
	}
	return c.publish(ctx, messages...)
}

// PutCopy puts a list, compressed, at the hub, which has lost it, and of which a mirror has told.
func (c *Conn) PutCopy(ctx context.Context, key string, text []byte) error {
	return c.publish(ctx, &nats.Msg{Subject: fleet.CopySubject(key), Data: text})
}

// publish returns once the hub's server has messages about lists.
func (c *Conn) publish(ctx context.Context, messages ...*nats.Msg) error {
	nc, err := c.connection()
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := nc.PublishMsg(m); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, copyIn)
	defer cancel()
	return nc.FlushWithContext(ctx)
}
