package watch

import (
	"context"
	"errors"
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
	had    link.Serial // the settings that the watcher has, and up to which ban it knows them
}

// Settings asks for the settings.
func (s *Socket) Settings(ctx context.Context) (now link.Settings, err error) {
	err = state.TellPBX(ctx, s.RunDir, link.SettingsPath, answerWait, nil, &now)
	s.had = link.Serial{Serial: now.Serial(), NextBan: now.NextBan}
	return now, err
}

// Known asks for the phones that the agent knows.
func (s *Socket) Known(ctx context.Context) ([]link.Phone, error) {
	var now link.Settings
	if err := state.TellPBX(ctx, s.RunDir, link.SettingsPath, answerWait, nil, &now); err != nil {
		return nil, err
	}
	if now.Unread {
		return nil, errors.New("the agent cannot read which phones are known")
	}
	return now.Phones, nil
}

// Ban has attackers banned.
func (s *Socket) Ban(ctx context.Context, all []bans.Seen) (not Unbanned, err error) {
	var a bans.SeenAnswer
	if err := state.TellPBX(ctx, s.RunDir, bans.SeenPath, answerWait, bans.SeenRequest{Bans: all}, &a); err != nil {
		return not, err
	}
	return unbanned(a)
}

func unbanned(a bans.SeenAnswer) (not Unbanned, err error) {
	if a.Undone && a.Problem != nil {
		return not, undone(a.Problem.Error)
	}
	for _, f := range a.Refused {
		switch {
		case f.Exempt:
			not.Exempt = append(not.Exempt, f.Addr)
		case f.Later:
			not.Later, not.Why = append(not.Later, f.Addr), f.Why
		}
	}
	return not, nil
}

// undone returns that nothing was done.
func undone(why string) error { return errors.New("the agent has not done it: " + why) }

// Phones tells of phones, and of networks whose phones are trusted no more.
func (s *Socket) Phones(ctx context.Context, phones []link.Phone, forget []netip.Prefix) (banned []netip.Addr, err error) {
	r := known.Request{Forget: forget}
	for _, p := range phones {
		r.Phones = append(r.Phones, known.Seen(p))
	}
	var a known.Answer
	if err := state.TellPBX(ctx, s.RunDir, known.Path, answerWait, r, &a); err != nil {
		return nil, err
	}
	return lostPhones(a)
}

func lostPhones(a known.Answer) (banned []netip.Addr, err error) {
	if a.Undone {
		return nil, undone(a.Problem)
	}
	for _, f := range a.Refused {
		if f.Banned {
			banned = append(banned, f.Addr)
		}
	}
	return banned, nil
}

// Trunks tells where the PBX is registered.
func (s *Socket) Trunks(ctx context.Context, all []known.SeenTrunk) error {
	var a known.TrunkAnswer
	err := state.TellPBX(ctx, s.RunDir, known.TrunksPath, answerWait, known.TrunkRequest{Trunks: all}, &a)
	if err == nil && a.Undone {
		err = undone(a.Problem)
	}
	return err
}

// Health tells how the watcher is.
func (s *Socket) Health(ctx context.Context, h link.Health) error {
	return state.TellPBX(ctx, s.RunDir, link.HealthPath, answerWait, h, new(struct{}))
}

// Changed waits until something changes, or for a while, and returns what has changed since it was
// called last.
func (s *Socket) Changed(ctx context.Context) (News, error) {
	var now link.Change
	if err := state.TellPBX(ctx, s.RunDir, link.ChangePath, link.ChangeWait+answerWait, s.had, &now); err != nil {
		return News{}, err
	}
	s.had.NextBan = now.NextBan
	return News{Settings: now.Serial.Serial != s.had.Serial, Banned: now.Banned, Missed: now.Missed}, nil
}
