package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/detect"
	"github.com/voipbl/voipbl/pbx/link"
)

// ErrSettings is returned when the agent has other settings: the program is to begin anew.
var ErrSettings = errors.New("the settings have changed")

// Agent is the side of the agent.
type Agent interface {
	// Settings returns what to do now.
	Settings(ctx context.Context) (link.Settings, error)

	// Ban has attackers banned. After an error none is.
	Ban(ctx context.Context, all []bans.Seen) (Unbanned, error)

	// Phones tells of phones, and of networks whose phones are trusted no more. It returns the
	// addresses that are banned, which are those of no phones. After an error nothing is done.
	Phones(ctx context.Context, phones []link.Phone, forget []netip.Prefix) (banned []netip.Addr, err error)

	// Trunks tells where the PBX is registered.
	Trunks(ctx context.Context, all []known.SeenTrunk) error

	// Health tells how the watcher is.
	Health(ctx context.Context, h link.Health) error

	// Known returns the phones that the agent knows.
	Known(ctx context.Context) ([]link.Phone, error)

	// Changed waits until there is news since it was called last, or Settings before that, or for a while.
	Changed(ctx context.Context) (News, error)
}

// News is what has changed at the agent.
type News struct {
	Settings bool           // the settings are others
	Banned   []netip.Prefix // by anybody: there are no phones any more
	Missed   bool           // more may have been banned
}

// Unbanned are addresses that the agent has not banned.
type Unbanned struct {
	Exempt []netip.Addr
	Later  []netip.Addr // may be asked for again
	Why    string       // why later
}

// Watcher watches the PBX.
type Watcher struct {
	Log   *slog.Logger
	Agent Agent
	Alive func() // called again and again while observations are taken in

	mu     sync.Mutex
	untold map[subject]string // why the agent could not be told of it last
}

// subject is what the agent is told of.
type subject string

const (
	ofSettings subject = "settings"
	ofBans     subject = "bans"
	ofPhones   subject = "phones"
	ofTrunks   subject = "trunks"
	ofHealth   subject = "health"
)

// buffer is how many observations may wait. What comes faster waits in the sources' sockets.
const buffer = 1 << 10

// Run watches until ctx ends, or returns [ErrSettings].
func (w *Watcher) Run(ctx context.Context) error { return w.run(ctx, newSources) }

func (w *Watcher) run(ctx context.Context, sourcesOf func(link.Settings) *sources) error {
	s, err := w.settings(ctx)
	if err != nil {
		return err
	}
	on := sourcesOf(s)
	began := time.Now()
	out := newTeller(w, s, func(now time.Time, h link.Health) link.Health {
		h.Since = began
		on.health(now, &h)
		return h
	})
	group, ctx := errgroup.WithContext(ctx)
	saw := make(chan observation, buffer)
	for _, source := range on.all() {
		group.Go(func() error { return source.keep(ctx, w.Log, saw) })
	}
	group.Go(func() error { return out.run(ctx) })
	group.Go(func() error { return w.follow(ctx, out) })
	group.Go(func() error { return w.judge(ctx, s, on, saw, out) })
	return group.Wait()
}

// firstAsk and longestAsk are the pauses between two attempts to reach the agent.
const (
	firstAsk   = time.Second
	longestAsk = 10 * time.Second
)

// settings asks the agent for the settings until it answers. It gives up only if it may not ask.
func (w *Watcher) settings(ctx context.Context) (link.Settings, error) {
	for pause := firstAsk; ; pause = min(2*pause, longestAsk) {
		s, err := w.Agent.Settings(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrPermission) {
			w.reached(ofSettings, nil)
			return s, err
		}
		w.reached(ofSettings, err)
		w.Alive()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// follow returns [ErrSettings] as soon as the agent has other settings, and passes on what is banned.
// While the agent does not answer, it is asked again after a while: it may be about to end or to begin.
func (w *Watcher) follow(ctx context.Context, out *teller) error {
	for pause := firstAsk; ; {
		news, err := w.Agent.Changed(ctx)
		switch {
		case news.Settings:
			return ErrSettings
		case err == nil:
			out.lose(news.Banned)
			if news.Missed {
				out.doubt(true)
			}
			pause = firstAsk
			continue
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, longestAsk)
	}
}

// reached logs once that the agent cannot be told of a subject, and once that it can.
func (w *Watcher) reached(of subject, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case text == w.untold[of]:
	case text == "":
		w.Log.Info("the agent answers again", "of", of)
	default:
		w.Log.Warn("the agent cannot be told what the PBX sees; it is told later", "of", of, "error", text)
	}
	if w.untold == nil {
		w.untold = make(map[subject]string)
	}
	w.untold[of] = text
}

// observation is one of a source.
type observation struct {
	pbx.Observation
	from *source
}

// judge gives observations to the detector, and its verdicts to the teller.
func (w *Watcher) judge(ctx context.Context, s link.Settings, on *sources, saw <-chan observation, out *teller) error {
	rules, err := settings(s)
	if err != nil {
		w.Log.Warn("the configuration's traps do not count", "error", err)
	}
	d := detect.New(rules, out.friend)
	d.Restore(time.Now(), phonesOf(s.Phones))
	beat, renewed := time.NewTicker(healthEvery), time.NewTicker(known.RenewedEvery)
	defer beat.Stop()
	defer renewed.Stop()
	w.Alive()
	ring(out.due)
	for {
		select {
		case o := <-saw:
			now := time.Now()
			if o.What == pbx.Trunk {
				out.trunk(known.SeenTrunk{Host: o.Called, Account: o.Account})
				continue
			}
			if !on.counts(o, now) {
				continue
			}
			for _, v := range d.See(now, o.Observation) {
				w.Log.Log(ctx, level(v), words(v, s.Bans))
				out.take(v, now)
			}
		case <-renewed.C:
			out.renewed(d.Renewed(time.Now()))
		case <-out.found:
			lost, known := out.takeLost()
			for _, n := range lost {
				d.Forget(n)
				out.drop(n)
			}
			if known != nil {
				d.Keep(time.Now(), known.asked, phonesOf(known.phones))
			}
		case <-beat.C:
			w.Alive()
			ring(out.due)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// level is how urgent a verdict is: a Tell is for an admin to act on.
func level(v detect.Verdict) slog.Level {
	if _, is := v.(detect.Tell); is {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// words are those of a verdict, in the journal.
func words(v detect.Verdict, banned bool) string {
	if _, is := v.(detect.Ban); is && !banned {
		return "nobody is banned (pbx.ban_attackers); else: " + v.String()
	}
	return v.String()
}

// settings returns those of the detector. After an error they are without the agent's traps, which are
// of another version.
func settings(s link.Settings) (detect.Settings, error) {
	d := detect.Defaults()
	d.Traps.Extensions = append(d.Traps.Extensions, s.Traps.Extensions...)
	d.Traps.Accounts = append(d.Traps.Accounts, s.Traps.Accounts...)
	d.Traps.Agents = append(d.Traps.Agents, s.Traps.Agents...)
	if err := d.Validate(); err != nil {
		return detect.Defaults(), err
	}
	return d, nil
}

func phonesOf(all []link.Phone) []detect.Phone {
	var phones []detect.Phone
	for _, p := range all {
		phones = append(phones, detect.Phone{Addr: p.Addr, Account: p.Account, Transport: p.Transport, Proved: true, Since: p.Since, Until: p.Until})
	}
	return phones
}
