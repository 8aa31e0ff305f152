package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
)

// KeeperOptions are those of the keeper of the streams.
type KeeperOptions struct {
	URLs  []string
	Creds []byte // of the user who may make the streams
	Log   *slog.Logger

	Revoked []fleet.Name // hosts of which nothing stays in the stream
}

// lookEvery is how often the keeper looks at the streams, beside after each new connection.
const lookEvery = time.Minute

// Keep makes the streams of the fleet on the hub, and repairs their form, until ctx ends. So a hub that has
// lost its store needs nobody: its hosts say again what they have said.
func Keep(ctx context.Context, o KeeperOptions) error {
	m, err := memberOf(o.Creds, serverAPI)
	if err != nil {
		return err
	}
	return newKeeper(o, m).run(ctx)
}

// serverAPI is what requests to JetStream begin with for users of the stream's account.
const serverAPI = "$JS.API"

// keeper is a process on the hub.
type keeper struct {
	KeeperOptions
	member  member
	trouble string // what was logged last
}

func newKeeper(o KeeperOptions, m member) *keeper { return &keeper{KeeperOptions: o, member: m} }

func (k *keeper) run(ctx context.Context) error {
	pause := keeperPause
	for {
		began := time.Now()
		err := k.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.say(err)
		if time.Since(began) > settled {
			pause = keeperPause
		}
		if err := sleep(ctx, pause.next(0)); err != nil {
			return err
		}
	}
}

// say logs trouble once, and once that it is over.
func (k *keeper) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case alike(text, k.trouble):
		return
	case err != nil:
		k.Log.Warn("the streams of the fleet cannot be kept", "error", err)
	default:
		k.Log.Info("the streams of the fleet are as they should be")
	}
	k.trouble = text
}

// session looks at the streams until the connection ends.
func (k *keeper) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	complain := func(err error) { k.Log.Warn("the hub does not let the keeper do its work", "error", err) }
	nc, hub, err := dial(ctx, k.URLs, k.member, complain, cancel)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer cancel(nil)
	k.Log.Info("connected with the hub", "hub", hub)
	js, err := jetstream.NewWithAPIPrefix(nc, k.member.api)
	if err != nil {
		return err
	}
	making, err := makeReaders(ctx, nc)
	if err != nil {
		return err
	}
	defer making.Unsubscribe()
	for {
		k.say(errors.Join(k.look(ctx, js), k.silence(ctx, nc, js)))
		if sleep(ctx, lookEvery) != nil {
			return context.Cause(ctx)
		}
	}
}

// look makes the streams, or repairs them. One that cannot be kept does no harm to the others.
func (k *keeper) look(ctx context.Context, js jetstream.JetStream) error {
	var errs []error
	for _, want := range forms() {
		errs = append(errs, k.lookAt(ctx, js, want))
	}
	return errors.Join(errs...)
}

func (k *keeper) lookAt(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err := js.CreateStream(ctx, want); err != nil {
			return fmt.Errorf("make the stream %s: %w", want.Name, err)
		}
		k.Log.Info("a stream of the fleet was not there, and is made; the hosts say again what belongs in it", "stream", want.Name)
		return nil
	}
	if err != nil {
		return asked("about its stream", err)
	}
	is := keeps(want, stream.CachedInfo().Config)
	if len(is) == 0 {
		return nil
	}
	k.Log.Warn("a stream of the fleet is not as it should be", "stream", want.Name, "is", strings.Join(is, ", "))
	repaired, err := js.UpdateStream(ctx, want)
	if err == nil {
		is = keeps(want, repaired.CachedInfo().Config)
	}
	if err != nil || len(is) > 0 {
		return unrepairable(want.Name, is, err)
	}
	k.Log.Info("a stream of the fleet is repaired", "stream", want.Name)
	return nil
}

// unrepairable is why a stream stays in a form that the fleet cannot use.
func unrepairable(name string, is []string, err error) error {
	because := ""
	if err != nil {
		because = ": " + err.Error()
	}
	return fmt.Errorf("the stream %s is not as it should be (%s), and cannot be changed in place%s; "+
		"stop nats-server, delete the folder streams/%s in its store, and start it: the stream is made anew, and the hosts say again what belongs in it",
		name, strings.Join(is, ", "), because, name)
}
