package member

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
)

// ErrSettings is returned when the agent has other settings: the program is to begin anew.
var ErrSettings = errors.New("the settings have changed")

// Member is this host in the fleet.
type Member struct {
	Log   *slog.Logger
	Agent Agent
	Alive func() // called again and again while the process is well

	Version string // of this program

	mu     sync.Mutex
	untold map[subject]string // why the agent could not be told of it last
}

// subject is what the agent is told of, or asked for.
type subject string

const (
	ofSettings subject = "settings"
	ofOwn      subject = "this host's bans"
	ofOthers   subject = "bans of others"
	ofHealth   subject = "health"
	ofDocument subject = "the operator's document"
	ofLists    subject = "lists"
	ofBeat     subject = "heartbeat"
)

const (
	// firstAsk and longestAsk are the pauses between two attempts to reach the agent.
	firstAsk   = time.Second
	longestAsk = 10 * time.Second

	// beatEvery is how often the process says that it is alive, and the agent is told how it is.
	beatEvery = 10 * time.Second
)

// Run takes part until ctx ends, or returns [ErrSettings].
func (m *Member) Run(ctx context.Context) error {
	var s link.Settings
	if err := m.ask(ctx, ofSettings, func() (err error) { s, err = m.Agent.Settings(ctx); return err }); err != nil {
		return err
	}
	session := newSession(m, s)
	switch {
	case len(s.Hubs) == 0:
		m.Log.Info("no hub is configured: waits for one")
	case s.Error != "":
		session.trouble = s.Error
	default:
		creds, err := keys.ParseCreds([]byte(s.Creds))
		if err != nil {
			session.trouble = err.Error()
			break
		}
		conn, err := hub.New(hub.Options{URLs: s.Hubs, Creds: []byte(s.Creds), Instance: s.Instance, Log: m.Log})
		if err != nil {
			session.trouble = err.Error()
			break
		}
		session.conn, session.self, session.ends, session.key = conn, fleet.Name(creds.Name), creds.Expires, creds.Key
		session.mirror = creds.Mirror
	}
	if session.trouble != "" {
		m.Log.Warn("this host has no part in the fleet until that is mended", "error", session.trouble)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return session.follow(ctx) })
	group.Go(func() error { return session.report(ctx) })
	if session.conn == nil {
		group.Go(func() error { return session.wait(ctx) })
		return group.Wait()
	}
	group.Go(func() error { return session.conn.Run(ctx) })
	group.Go(func() error { return session.hear(ctx) })
	group.Go(func() error { return session.tell(ctx) })
	group.Go(func() error { return session.relay(ctx) })
	group.Go(func() error { return session.beat(ctx) })
	group.Go(func() error { return session.lists(ctx) })
	return group.Wait()
}

// ask asks the agent until it answers. It gives up only if it may not ask. It is for the goroutine
// that says that the process is alive.
func (m *Member) ask(ctx context.Context, of subject, question func() error) error {
	for pause := firstAsk; ; pause = min(2*pause, longestAsk) {
		err := question()
		if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrPermission) {
			m.reached(of, nil)
			return err
		}
		m.reached(of, err)
		m.Alive()
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reached logs once that the agent cannot be asked about a subject, and once that it can.
func (m *Member) reached(of subject, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case text == m.untold[of]:
	case text == "":
		m.Log.Info("the agent answers again", "of", of)
	default:
		m.Log.Warn("the agent does not answer; it is asked again", "of", of, "error", text)
	}
	if m.untold == nil {
		m.untold = make(map[subject]string)
	}
	m.untold[of] = text
}

// ring wakes whoever waits for a signal.
func ring(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
