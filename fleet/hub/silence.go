package hub

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// silence takes out what revoked hosts have said. Revoking them has done that already, but the hub may
// have come back with an older store.
func (k *keeper) silence(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
	var errs []error
	if len(k.Revoked) > 0 {
		out, err := takeListsOut(ctx, nc, js, func(from string) bool { return slices.Contains(k.Revoked, fleet.Name(from)) })
		if len(out) > 0 {
			k.Log.Warn("lists of a revoked mirror were in the store of the hub, and are taken out", "lists", len(out))
		}
		errs = append(errs, err)
	}
	for _, name := range k.Revoked {
		n, err := silence(ctx, nc, js, name)
		if n > 0 {
			k.Log.Warn("bans of a revoked host were in the store of the hub, and are taken out", "host", name, "slots", n)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// silence empties what the stream has of a host, and returns how many slots that were.
func silence(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, name fleet.Name) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	stream, err := js.Stream(ctx, keys.Stream)
	if err != nil {
		return 0, asked("about its stream", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(fleet.Subjects(name)))
	if err != nil {
		return 0, asked("what a revoked host has said", err)
	}
	for subject := range info.State.Subjects {
		was, err := empty(ctx, nc, stream, subject)
		if err != nil {
			return n, err
		}
		if was {
			n++
		}
	}
	return n, nil
}

// takeListsOut takes out what mirrors have said of lists, and the lists: those that a mirror has put of which
// "of" is true. It returns their keys. Mirrors that have them put them there again.
func takeListsOut(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, of func(from string) bool) (taken []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	subjects, err := listSubjects(ctx, js, fleet.ListSubject("*"))
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, keys.Lists)
	if err != nil {
		return nil, asked("about its lists", err)
	}
	for _, subject := range subjects {
		last, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // there was no room for it any more
		}
		if err != nil {
			return taken, asked("what mirrors have said", err)
		}
		if len(last.Data) == 0 || !of(fleet.ListFrom(last.Data)) {
			continue
		}
		key := strings.TrimPrefix(subject, fleet.ListSubject(""))
		if _, err := replace(ctx, nc, stream, subject, nil); err != nil {
			return taken, err
		}
		// Nobody asks for a copy of which nothing is said.
		if err := nc.Publish(fleet.CopySubject(key), nil); err != nil {
			return taken, err
		}
		taken = append(taken, key)
	}
	if len(taken) == 0 {
		return nil, nil
	}
	return taken, nc.FlushWithContext(ctx)
}
