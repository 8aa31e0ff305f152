package member

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/fleet/link"
)

// relay passes the operator's document on to the agent, whenever the hub has another one, and again after
// the agent did not answer: it may have begun anew. It does not understand the document: the agent takes
// only what the operator has signed.
func (s *session) relay(ctx context.Context) error {
	for pause := firstAsk; ; {
		select {
		case <-s.document:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := s.passOn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.m.reached(ofDocument, err)
		if err == nil {
			pause = firstAsk
			continue
		}
		ring(s.document)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestAsk)
	}
}

// passOn sends what the hub has said last; nothing if it has no document, or none counts here.
func (s *session) passOn(ctx context.Context) error {
	var text []byte
	takes := false
	s.locked(func() { text, takes = s.latest, s.s.TakesDocument })
	if text == nil || !takes {
		return nil
	}
	a, err := s.m.Agent.Document(ctx, link.Document{Signed: text})
	if err == nil && a.Undone {
		err = errors.New("it has not done it: " + a.Problem)
	}
	return err // that it is refused, the agent says itself
}
