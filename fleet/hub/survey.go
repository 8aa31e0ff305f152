package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/keys"
)

// Survey is what the hub has of all hosts.
type Survey struct {
	Heartbeats []Heartbeat // by name
	Sequence   uint64      // of the last message in the stream of bans
	Document   []byte      // the operator's; nil if the hub has none
	Published  time.Time   // when the hub got that

	// Streams are what is wrong with the streams, by name. It is the keeper that mends them.
	Streams map[string]error
}

// Heartbeat is the last one of a host.
type Heartbeat struct {
	Name   fleet.Name
	At     time.Time // when the hub got it, by its clock
	Beat   beat.Beat
	Odd    error     // why it cannot be read
	Missed time.Time // when the hub got the first message of the stream of bans that the host had not read; zero: none
}

// ErrNoStream is what is wrong with a stream that is not there.
var ErrNoStream = errors.New("it is not there")

// Look reads what the hub has of all hosts. creds are those of the operator's user for that.
func Look(ctx context.Context, urls []string, creds []byte) (*Survey, error) {
	m, err := memberOf(creds, serverAPI)
	if err != nil {
		return nil, err
	}
	nc, _, err := dial(ctx, urls, m, func(error) {}, func(error) {})
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, m.api)
	if err != nil {
		return nil, err
	}
	s := &Survey{Streams: make(map[string]error)}
	there := make(map[string]jetstream.Stream)
	for _, want := range forms() {
		if there[want.Name], err = lookAtStream(ctx, js, want, s); err != nil {
			return nil, err
		}
	}
	if bans := there[keys.Stream]; bans != nil {
		s.Sequence = bans.CachedInfo().State.LastSeq
		switch last, err := bans.GetLastMsgForSubject(ctx, documentSubject); {
		case err == nil:
			s.Document, s.Published = last.Data, last.Time
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, asked("for the document", err)
		}
	}
	beats := there[keys.Hosts]
	if beats == nil || beats.CachedInfo().State.Msgs == 0 {
		return s, nil
	}
	if s.Heartbeats, err = readBeats(ctx, nc, js, beats.CachedInfo().State.LastSeq); err != nil {
		return nil, err
	}
	if bans := there[keys.Stream]; bans != nil {
		err = noteMissed(ctx, bans, s)
	}
	return s, err
}

// lookAtStream returns a stream; nil if it is not there. What is wrong with it is noted.
func lookAtStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, s *Survey) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	stream, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		s.Streams[want.Name] = ErrNoStream
		return nil, nil
	case err != nil:
		return nil, asked("about its streams", err)
	}
	if is := keeps(want, stream.CachedInfo().Config); len(is) > 0 {
		s.Streams[want.Name] = errors.New("it is not as it should be: " + strings.Join(is, ", "))
	}
	return stream, nil
}

// readBeats reads all heartbeats, up to the one with the sequence last or what has taken its place.
func readBeats(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, last uint64) ([]Heartbeat, error) {
	name := "look-" + rand.Text() // two may look at once
	made, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	_, err := js.CreateConsumer(made, keys.Hosts, jetstream.ConsumerConfig{
		Name: name, DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy,
		InactiveThreshold: inactive, MemoryStorage: true,
	})
	if err != nil {
		return nil, asked("for a consumer of heartbeats", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerIn)
		defer cancel()
		_ = js.DeleteConsumer(ctx, keys.Hosts, name) // else the hub does, after a while
	}()
	p := newPull(nc, serverAPI, keys.Hosts, name)
	if err := p.begin(); err != nil {
		return nil, err
	}
	newest := make(map[fleet.Name]Heartbeat) // a host may send another one meanwhile
	for read := uint64(0); read < last; {
		if err := p.ask(batch); err != nil {
			return nil, err
		}
		n := 0
		for {
			m, err := p.next(ctx)
			if errors.Is(err, errNone) {
				break
			}
			if err != nil {
				return nil, err
			}
			n, read = n+1, m.seq
			if name, ok := beat.ParseSubject(m.subject); ok {
				h := Heartbeat{Name: name, At: m.at}
				h.Beat, h.Odd = beat.Decode(m.data)
				newest[name] = h
			}
		}
		if n == 0 {
			break
		}
	}
	all := make([]Heartbeat, 0, len(newest))
	for _, h := range newest {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Heartbeat) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// mostMissed is how many different messages are looked up: those that were unread for longest come first.
const mostMissed = 200

// noteMissed finds out since when hosts have not read what the hub has.
func noteMissed(ctx context.Context, bans jetstream.Stream, s *Survey) error {
	var order []int // places of hosts that have not read all
	for i, h := range s.Heartbeats {
		if h.Odd == nil && h.Beat.Sequence < s.Sequence {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(s.Heartbeats[a].Beat.Sequence, s.Heartbeats[b].Beat.Sequence)
	})
	var of uint64    // the sequence of a host
	var at time.Time // when the hub got what follows it
	asks := 0
	for _, i := range order {
		h := &s.Heartbeats[i]
		if asks == 0 || h.Beat.Sequence != of {
			if asks == mostMissed {
				break
			}
			asks++
			of = h.Beat.Sequence
			var err error
			if at, err = after(ctx, bans, of); err != nil {
				return err
			}
		}
		if at.Before(h.At) {
			h.Missed = at
		}
	}
	return nil
}

// after is when the hub got the first message behind a sequence; zero if there is none.
func after(ctx context.Context, stream jetstream.Stream, sequence uint64) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	m, err := stream.GetMsg(ctx, sequence+1, jetstream.WithGetMsgSubject(">"))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, asked("for what a host has not read", err)
	}
	return m.Time, nil
}
