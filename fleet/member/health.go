package member

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/link"
)

// healthPace is the least time between two reports to the agent.
const healthPace = time.Second

// report tells the agent how the process is, after each change and every ten seconds.
func (s *session) report(ctx context.Context) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		s.m.reached(ofHealth, s.m.Agent.Health(ctx, s.health()))
		if err := sleep(ctx, healthPace); err != nil {
			return err
		}
		select {
		case <-s.due:
		case <-beat.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// health is how the process is.
func (s *session) health() link.Health {
	h := link.Health{Since: hub.ByClock(s.since), Error: s.trouble}
	if s.conn != nil {
		h = healthOf(s.conn.Health())
		h.Since, h.Ends, h.Key = hub.ByClock(s.since), s.ends, s.key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Hosts, h.Heard, h.Believed = s.heard.Hosts(s.self), s.heard.Bans(s.self), len(s.book.held)+len(s.book.refused)
	if !s.s.Accept {
		h.Believed = s.uncounted
	}
	h.Ignored += s.heard.Ignored()
	if h.Error == "" && s.untold != nil {
		h.Error = "the agent, asked to change bans of others: " + s.untold.Error()
	}
	h.Left = s.book.left()
	h.Uncounted = s.latest != nil && !s.s.TakesDocument
	return h
}

func healthOf(c hub.Health) link.Health {
	return link.Health{
		Name: c.Name, Hub: c.Hub, Connected: c.Connected, Synced: c.Synced, Sequence: c.Sequence, Error: c.Error,
		Refused: c.Refused, Twin: c.Twin, Unsaid: c.Unsaid, Ignored: c.Ignored, Clock: c.Clock,
	}
}
