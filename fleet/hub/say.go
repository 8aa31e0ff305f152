package hub

import (
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/fleet"
)

// words is a message to send.
type words struct {
	slot int
	text []byte
}

// say sends what the hub does not have of this host, until the connection ends. Nothing is sent before
// all has been read that the hub has: most of it is there already.
func (s *session) say(ctx context.Context) error {
	for {
		all, next := s.toSay()
		for _, w := range all {
			if err := s.nc.Publish(fleet.Subject(fleet.Name(s.member.name), w.slot), w.text); err != nil {
				return err
			}
		}
		var later <-chan time.Time
		if next > 0 {
			later = time.After(next)
		}
		select {
		case <-s.wake:
		case <-later:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errUnread = errors.New("the hub does not store what this host says")

// toSay returns what is to be sent now, and after how long to ask again; 0: after a change.
func (s *session) toSay() (all []words, next time.Duration) {
	up := s.clock.boot()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.health.Synced {
		return nil, 0
	}
	slots, next := s.own.due(up)
	for _, slot := range slots {
		text, _ := s.own.message(slot, up)
		all = append(all, words{slot, text})
		s.own.sending(slot, up)
	}
	if len(slots) > 0 && (next == 0 || next > readBack) {
		next = readBack
	}
	s.unheard = ""
	if s.own.unread() {
		s.unheard = errUnread.Error()
		if s.said != nil {
			s.unheard += ": " + s.said.Error()
		}
	}
	return all, next
}
