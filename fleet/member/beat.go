package member

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet/beat"
)

const (
	// sayEvery is the mean time between two heartbeats; each is up to sayJitter earlier or later, so that
	// the hosts that a hub has lost do not go on in step.
	sayEvery  = time.Minute
	sayJitter = 6 * time.Second

	// sayPace is the least time between two questions to the agent, and so between two heartbeats.
	sayPace = 5 * time.Second

	// agentAway is how long the agent may be silent before the hub is told that: it may be restarting.
	agentAway = time.Minute

	// twinFor is how long a heartbeat says that another host speaks by this one's name.
	twinFor = time.Hour
)

// beatAfresh has the hub told at once how this host is: it may have lost what it had.
func (s *session) beatAfresh() {
	s.locked(func() { s.afresh = true })
	ring(s.pulse)
}

// beat tells the hub how this host is: every minute, and at once when it is protected no more or again, or
// has other problems.
func (s *session) beat(ctx context.Context) error {
	var said beat.Beat
	answered, next := s.conn.Now(), time.Duration(0)
	for {
		now, err := s.m.Agent.Beat(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.m.reached(ofBeat, err)
		up := s.conn.Now()
		if err == nil {
			answered = up
		} else {
			now = beat.Beat{Version: s.m.Version, Problems: []string{beat.NoAgent}}
		}
		afresh := false
		s.locked(func() { afresh = s.afresh })
		if silent := err != nil && up-answered < agentAway; !silent {
			s.complete(&now)
			if afresh || up >= next || !beat.Alike(said, now) {
				s.locked(func() { s.afresh = false })
				s.conn.Beat(beat.Encode(now))
				said, next = now, up+sayEvery-sayJitter+rand.N(2*sayJitter)
			}
		}
		if err := sleep(ctx, sayPace); err != nil {
			return err
		}
		if err != nil {
			continue // until the agent answers
		}
		select {
		case <-s.pulse:
		case <-time.After(next - s.conn.Now()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// complete adds what this process knows itself.
func (s *session) complete(b *beat.Beat) {
	h := s.conn.Health()
	b.Sequence, b.Uptime, b.Clock = h.Sequence, int64(s.conn.Now()/time.Second), int64(h.Clock/time.Second)
	if !h.Twin.IsZero() && time.Since(h.Twin) < twinFor && !slices.Contains(b.Problems, beat.Twin) {
		b.Problems = append(b.Problems, beat.Twin)
	}
}
