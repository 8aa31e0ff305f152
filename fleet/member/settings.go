package member

import (
	"context"
	"slices"

	"github.com/voipbl/voipbl/fleet/link"
)

// sameConnection reports whether a connection with the hub by some settings serves with others. All but
// what it is made of is the session's: a new connection reads all again that the hub has, and when the
// operator's document changes whom to believe, all hosts have other settings at once.
func sameConnection(a, b link.Settings) bool {
	return slices.Equal(a.Hubs, b.Hubs) && a.Creds == b.Creds && a.Error == b.Error && a.Instance == b.Instance
}

// settings are those in force.
func (s *session) settings() (now link.Settings) {
	s.locked(func() { now = s.s })
	return now
}

// adopt asks for the settings and takes them over: what was heard is judged by them, and compared with
// what the agent has. It returns their serial, or [ErrSettings] if they need another connection.
func (s *session) adopt(ctx context.Context) (serial string, err error) {
	now, err := s.m.Agent.Settings(ctx)
	if err != nil {
		return "", err
	}
	if !sameConnection(s.settings(), now) {
		if len(now.Hubs) == 0 {
			s.locked(func() { s.leaving = true })
			s.farewell(ctx)
		}
		return "", ErrSettings
	}
	wanted := false
	s.locked(func() {
		wanted = now.TakesDocument && !s.s.TakesDocument
		s.s, s.all, s.reread = now, true, true
	})
	ring(s.changed)
	if wanted {
		ring(s.document)
	}
	ring(s.due)
	s.m.Log.Info("other settings are in force", "trust", now.Trust, "revoked", now.Revoked, "agree", now.Agree, "accept", now.Accept, "publish", now.Publish)
	return now.Serial(), nil
}
