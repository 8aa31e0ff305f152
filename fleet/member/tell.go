package member

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

// tellPace is the least time between two looks at what has changed: what comes meanwhile is told
// together. The first change after a quiet time is told at once.
const tellPace = 50 * time.Millisecond

// tell has the agent make the bans of others that count here, and take back those that count no more,
// until ctx ends.
func (s *session) tell(ctx context.Context) error {
	compare := time.NewTicker(askAgain)
	defer compare.Stop()
	for pause := firstAsk; ; {
		select {
		case <-s.changed:
		case <-compare.C:
			s.locked(func() { s.all, s.reread = true, true })
			ring(s.document) // another key may count here
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		err := s.settle(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.m.reached(ofOthers, err)
		s.locked(func() { s.untold = err })
		wait := max(tellPace, 2*time.Since(began)) // so it takes a third of a processor at most
		if err == nil {
			pause = firstAsk
		} else {
			// What changes meanwhile is told with the rest.
			s.locked(func() { s.all = true })
			ring(s.changed)
			wait, pause = pause, min(2*pause, longestAsk)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// settle makes what the agent has what it is to have.
func (s *session) settle(ctx context.Context) error {
	if err := s.readAgain(ctx); err != nil {
		return err
	}
	p := s.plan()
	for {
		now := s.conn.Now()
		var (
			r  link.Others
			of []fleet.Verdict
			ok bool
		)
		s.locked(func() { r, of, ok = p.request(s.judge(now), now) })
		if !ok {
			return nil
		}
		a, err := s.m.Agent.Others(ctx, r)
		if err == nil && a.Undone {
			err = errors.New("it has not done it: " + a.Problem)
		}
		if err != nil {
			return err
		}
		s.locked(func() { s.book.answered(r, of, a, now) })
		ring(s.due)
	}
}

// readAgain compares the book with what the agent has, if there is a doubt. The first time that is
// done by carry.
func (s *session) readAgain(ctx context.Context) error {
	reread := false
	s.locked(func() { reread = s.reread && s.carried })
	if !reread {
		return nil
	}
	var again *book
	s.locked(func() { again = s.book.anew() })
	err := s.m.Agent.Held(ctx, func(b link.Ban) { again.read(b, s.conn.Now()) })
	if err != nil {
		return err
	}
	s.locked(func() { s.reread, s.all, s.book = false, true, again })
	return nil
}

// plan is what the agent is to be asked for now. Before all that the hub has was heard, that is nothing.
func (s *session) plan() plan {
	now := s.conn.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policy()
	if !s.synced || s.leaving {
		return plan{}
	}
	changed, all := s.heard.Changed(now)
	if s.s.Accept && !all && !s.all && len(s.book.held)+len(changed) <= s.s.Most {
		return s.book.some(changed, s.judge(now), now)
	}
	if !s.s.Accept && !s.all && !all && len(changed) == 0 {
		return plan{}
	}
	s.all = false
	if !s.s.Accept { // what is there, the agent takes out by itself
		s.uncounted = 0
		s.heard.EachBelieved(p, now, func(fleet.Verdict) { s.uncounted++ })
		return plan{}
	}
	plan, believed := s.book.whole(func(do func(fleet.Verdict)) { s.heard.EachBelieved(p, now, do) }, now)
	s.uncounted = believed
	return plan
}

// judge returns what says how much counts of an address at a time, while s.mu is held.
func (s *session) judge(now time.Duration) judge {
	p := s.policy()
	return func(a netip.Addr) (fleet.Verdict, bool) { return s.heard.Judge(p, a, now) }
}
