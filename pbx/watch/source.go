package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/hep"
	"github.com/voipbl/voipbl/pbx/link"
)

// How long a source that has failed is left alone: twice as long each time, up to the longest.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// source is a source of observations, which is begun anew when it fails.
type source struct {
	name  string
	begin func() (pbx.Source, error)

	mu    sync.Mutex
	error string
}

// keep runs the source until ctx ends.
func (s *source) keep(ctx context.Context, log *slog.Logger, saw chan<- observation) error {
	pause := firstPause
	for {
		began := time.Now()
		err := s.run(ctx, saw)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > longestPause {
			pause = firstPause
		}
		if text := err.Error(); s.fail(text) {
			log.Warn(text, "source", s.name)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}

func (s *source) run(ctx context.Context, saw chan<- observation) error {
	source, err := s.begin()
	if err != nil {
		return err
	}
	err = source.Watch(ctx, func(o pbx.Observation) {
		s.fail("")
		select {
		case saw <- observation{o, s}:
		case <-ctx.Done():
		}
	})
	if err == nil {
		err = errors.New("it ended")
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// fail notes why the source does not work, "" if it does. It reports whether that is new.
func (s *source) fail(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.error
	s.error = text
	return text != was
}

func (s *source) failed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.error
}

// copies are the copied SIP messages, as a source.
type copies struct {
	*source
	mu     sync.Mutex
	server *hep.Server
	before hep.Stats // of servers that have ended
	seen   uint64
	last   time.Time // when a message of this host came last
}

func newCopies(s link.Settings) *copies {
	c := &copies{source: &source{name: "copies of SIP messages"}}
	c.begin = func() (pbx.Source, error) {
		server, err := hep.Listen(s.HEP, s.HEPPassword, own())
		if err != nil {
			return nil, err
		}
		c.fail("")
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.server != nil {
			c.before = sum(c.before, c.server.Stats())
		}
		c.server = server
		return server, nil
	}
	return c
}

func sum(a, b hep.Stats) hep.Stats {
	return hep.Stats{
		Packets: a.Packets + b.Packets, WrongKey: a.WrongKey + b.WrongKey, Damaged: a.Damaged + b.Damaged,
		Other: a.Other + b.Other, Foreign: a.Foreign + b.Foreign, Lost: a.Lost + b.Lost,
	}
}

// lastMessage returns when it was noticed that messages of this host had come.
func (c *copies) lastMessage(now time.Time) time.Time {
	_, last := c.stats(now)
	return last
}

// stats returns what has come, and when it was noticed that messages of this host had.
func (c *copies) stats(now time.Time) (hep.Stats, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.before
	if c.server != nil {
		s = sum(s, c.server.Stats())
	}
	if own := s.Packets - s.Foreign; own != c.seen {
		c.seen, c.last = own, now
	}
	return s, c.last
}

// ownFor is how long a list of the host's own addresses counts.
const ownFor = 10 * time.Second

// own returns a function that says whether an address is one of this host's. It is asked for each
// packet, by one goroutine.
func own() func(netip.Addr) bool {
	var known map[netip.Addr]bool
	var at time.Time
	return func(a netip.Addr) bool {
		if now := time.Now(); now.Sub(at) > ownFor || now.Before(at) {
			at = now
			if all, err := host.OwnAddresses(); err == nil {
				known = set(all)
			}
		}
		return known[a.Unmap().WithZone("")]
	}
}

func set(all []netip.Addr) map[netip.Addr]bool {
	s := make(map[netip.Addr]bool, len(all))
	for _, a := range all {
		s[a] = true
	}
	return s
}
