package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// Options are those of a connection.
type Options struct {
	URLs     []string // of the hubs, which are one: the first one that leads to its stream is used
	Creds    []byte   // the file "fleet.creds"
	Instance string   // tells this host from a copy of it that has the same name
	Log      *slog.Logger
}

// Conn is one host's connection with the hub.
type Conn struct {
	options Options
	member  member
	clock   *clock
	events  chan Event
	wake    chan struct{} // what is to be said may have changed, or what the hub has of it
	beats   chan []byte   // the heartbeat that is to be sent

	stream known         // used by Run alone
	taken  bool          // used by Run alone: somebody has deleted this host's consumer, or the stream with it
	turn   turn          // used by Run alone
	detour time.Duration // see detour; shorter in tests

	mu      sync.Mutex
	own     own
	health  Health     // without Unsaid and Clock
	unheard string     // why nothing can be said
	said    error      // by the hub, without being asked
	live    *nats.Conn // the present connection; nil: there is none
}

// New returns a connection that [Conn.Run] makes. An error says what is wrong with the credentials.
func New(o Options) (*Conn, error) {
	m, err := memberOf(o.Creds, keys.APIPrefix)
	if err != nil {
		return nil, err
	}
	if _, err := fleet.ParseName(m.name); err != nil {
		return nil, fmt.Errorf("these are no credentials of a host: %w", err)
	}
	return newConn(o, m, newClock(uptime, time.Now)), nil
}

func newConn(o Options, m member, clock *clock) *Conn {
	return &Conn{
		options: o, member: m, clock: clock,
		turn: turn{all: o.URLs}, detour: detour,
		events: make(chan Event), wake: make(chan struct{}, 1), beats: make(chan []byte, 1),
		own: own{instance: o.Instance, whole: forever}, health: Health{Name: m.name, Ends: m.ends},
	}
}

// Run keeps connected until ctx ends. It waits while nobody takes its events.
func (c *Conn) Run(ctx context.Context) error {
	pause, since := hostPause, time.Now()
	for {
		all, began := c.turn.tried == 0, time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lasted := c.lost(ctx, err)
		if lasted > 0 {
			since = time.Now()
		}
		if c.turn.atOnce(err) {
			continue
		}
		away, spent := all && errors.As(err, new(awayError)), time.Duration(0)
		if away {
			spent = time.Since(began)
		}
		if lasted > settled || away && time.Since(since) < eager {
			pause = hostPause
		}
		if err := sleep(ctx, pause.next(spent)); err != nil {
			return err
		}
	}
}

// lost notes that a connection has ended, or was not made. It returns how long it lasted.
func (c *Conn) lost(ctx context.Context, err error) time.Duration {
	refused := isRefused(err)
	c.mu.Lock()
	was := c.health
	c.health.Hub, c.health.Connected, c.health.Synced = "", time.Time{}, false
	c.health.Error, c.health.Refused = err.Error(), refused
	c.mu.Unlock()
	if was.Connected.IsZero() && alike(was.Error, err.Error()) {
		return 0 // as before
	}
	c.options.Log.Warn("there is no connection with the hub of the fleet; bans that are in force stay", "error", err)
	c.emit(ctx, Lost{err, refused})
	if was.Connected.IsZero() {
		return 0
	}
	return time.Since(was.Connected)
}

func (c *Conn) connected(ctx context.Context, url string) error {
	c.mu.Lock()
	c.health.Hub, c.health.Connected = url, time.Now()
	c.mu.Unlock()
	c.options.Log.Info("connected with the hub of the fleet", "hub", url)
	return c.emit(ctx, Connected{url})
}

// synced notes whether all has been read that the hub has.
func (c *Conn) synced(ctx context.Context, is bool) error {
	c.mu.Lock()
	c.health.Synced = is
	if is {
		c.health.Error, c.health.Refused = "", false
	}
	c.mu.Unlock()
	if !is {
		return nil
	}
	c.turn.again()
	c.ring()
	return c.emit(ctx, Synced{})
}

// Events are what happens, in order. Somebody must take them all.
func (c *Conn) Events() <-chan Event { return c.events }

// emit waits until somebody takes an event: what is not taken is not read from the hub.
func (c *Conn) emit(ctx context.Context, e Event) error {
	select {
	case c.events <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Say sets what this host says from now on, in place of all that it was to say before. It returns at once.
func (c *Conn) Say(slots [fleet.Slots][]fleet.Said) { c.SayNewest(slots, 0) }

// SayNewest is Say for a host that has more bans than it may say: some that are whole or older are missing, and
// others do not take them back for that. 0: none is missing.
func (c *Conn) SayNewest(slots [fleet.Slots][]fleet.Said, whole time.Duration) {
	c.mu.Lock()
	c.own.say(slots, whole, c.clock.boot())
	c.mu.Unlock()
	c.ring()
}

func (c *Conn) ring() {
	select {
	case c.wake <- struct{}{}:
	default: // it is rung
	}
}

// Now returns this host's uptime, by which all times of events are. No setting of a clock moves it.
func (c *Conn) Now() time.Duration { return c.clock.boot() }

// Health returns how the connection is.
func (c *Conn) Health() Health {
	up := c.clock.boot()
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.health
	if h.Error == "" {
		h.Error = c.unheard
	}
	for slot := range fleet.Slots {
		_, leftOut := c.own.message(slot, up)
		h.Unsaid += c.own.unsaid(slot, up) + leftOut
	}
	h.Clock = c.clock.difference()
	h.Connected, h.Twin = ByClock(h.Connected), ByClock(h.Twin)
	return h
}

// ByClock returns when by the clock as it is now something was that this process has noted: the clock may have
// been set since.
func ByClock(noted time.Time) time.Time {
	if noted.IsZero() {
		return noted
	}
	return time.Now().Add(-time.Since(noted)).Round(time.Second)
}

// complain notes what the hub says without being asked: that this host may not do what it does.
func (c *Conn) complain(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = err
}

// complained adds it to an error that it may explain.
func (c *Conn) complained(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", err, c.said)
}
