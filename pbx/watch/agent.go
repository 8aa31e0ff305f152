package watch

import (
	"context"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// answerWait is how long the agent may take: it may wait for another process that changes bans.
const answerWait = 10 * time.Second

// Socket is the agent, by its socket in the run folder.
type Socket struct {
	RunDir string
	serial string // of the settings that the watcher has
}

// Settings asks for the settings.
func (s *Socket) Settings(ctx context.Context) (now link.Settings, err error) {
	err = state.TellPBX(ctx, s.RunDir, link.SettingsPath, answerWait, nil, &now)
	s.serial = now.Serial()
	return now, err
}

// Ban has attackers banned. It returns those that are not because they are exempt.
func (s *Socket) Ban(ctx context.Context, all []link.Ban) (exempt []netip.Addr, err error) {
	var r bans.SeenRequest
	for _, b := range all {
		r.Bans = append(r.Bans, bans.Seen{Addr: b.Addr, For: b.For, Evidence: b.Reason, Proved: b.Proved, Failures: b.Failures})
	}
	var a bans.SeenAnswer
	if err := state.TellPBX(ctx, s.RunDir, bans.SeenPath, answerWait, r, &a); err != nil {
		return nil, err
	}
	for _, f := range a.Refused {
		if f.Exempt {
			exempt = append(exempt, f.Addr)
		}
	}
	return exempt, nil
}

// Phones tells of phones, and of networks whose phones are trusted no more.
func (s *Socket) Phones(ctx context.Context, phones []link.Phone, forget []netip.Prefix) error {
	r := known.Request{Forget: forget}
	for _, p := range phones {
		r.Phones = append(r.Phones, known.Seen(p))
	}
	return state.TellPBX(ctx, s.RunDir, known.Path, answerWait, r, new(known.Answer))
}

// Health tells how the watcher is, and returns whether the settings are others than it has.
func (s *Socket) Health(ctx context.Context, h link.Health) (changed bool, err error) {
	var a link.Heard
	err = state.TellPBX(ctx, s.RunDir, link.HealthPath, answerWait, h, &a)
	return err == nil && a.Serial != s.serial, err
}
