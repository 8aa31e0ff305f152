package rules

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// want is what the configuration and the caller ask for.
type want struct {
	base *ruleset.Base // the base rules as configured, nil for none
	key  string        // their name, see [settings.BaseKey]

	none      bool // all rules are another program's
	ipv6Off   bool // leave IPv6 alone
	leaveBase bool // the base rules stay as they are, if any are configured
	onlyDrop  bool // the base rules stay as they are, whatever is configured

	trial  bool // put new base rules on trial
	always bool // also those that have been accepted before
}

// wantOf returns what a configuration asks for, with the current addresses of its trunks.
func wantOf(cfg config.Config, trunks []netip.Prefix, how How) want {
	return want{
		base: settings.BaseSettings(cfg, trunks), key: settings.BaseKey(cfg),
		none: settings.LeavesRules(cfg), ipv6Off: cfg.Firewall.IPv6 == config.IPv6Off, leaveBase: how.LeaveBase,
		trial: how.Trial, always: how.Always,
	}
}

// sight is what was found: in the kernel, and in the files about the rules.
type sight struct {
	fw     *firewall.Firewall // for comparing only; see [firewall.Firewall.Plan]
	saved  [2]*iptables.Saved
	state  State
	record Record

	stateErr error          // why the state is not known
	pending  *PendingReport // what is on trial, as it stands now
	goesOn   bool           // the trial is not over, and nobody has tried to end it

	remembered bool // the record says that nothing has changed, so nothing else was read

	drop    ruleset.Settings // the rules besides the base rules, by the sets that exist; their place is decided later
	place   placing          // what decides that place, apart from the base rules
	unread  error            // why not all rules are known that may decide it
	freePBX bool             // whether FreePBX's firewall is installed
	other   string           // the generation of the other backend, before the rules were read

	refusedRaw  [2]bool // families in which the kernel refused the raw table
	refusedBase [2]bool // families in which it refused the base rules just now

	gone      [2]bool  // whether the sets of the lists are missing, by family
	missing   []string // the missing sets, voipbl's and fail2ban's
	missErr   error    // why that is not known
	undropped error    // why other programs' rules do not drop all that is blocked, if the rules are theirs

	listeners []host.Listener // of this host, if an admin asks for base rules
	uses      []lockout.Use   // of these listeners, by others
	seek      *seeking        // what a search for obstacles needs
}

// see looks at all that a decision depends on, except who is logged in. With an error, it
// returns what it has seen until then.
func (r *Hold) see(ctx context.Context, w want, how How) (s *sight, err error) {
	s = &sight{fw: r.Fw, state: r.State, record: r.Record, stateErr: r.StateErr, pending: r.State.Pending.Report(), seek: r.seeking(r.Record.Placed)}
	if r.asLastTime() && !how.ByHand {
		s.remembered, s.other = true, r.Record.Other
		return s, nil
	}
	s.other = r.Fw.OtherGeneration()
	if s.saved, err = r.Fw.ReadSure(ctx); err != nil {
		return s, err
	}
	if p := r.State.Pending; p != nil {
		// On a full disk, a trial that was ended is still in the state, but its copy is gone.
		begun, _ := fromCopy(r.Run, p.Token)
		s.pending.Unset = p.Base != nil && w.base == nil
		s.goesOn, s.pending.Gone = begun != nil && !s.pending.Lapsed, p.isGone(s.saved)
	}
	s.lookAround(ctx, r.Cfg, how.ByHand && !how.DryRun)
	s.drop = r.dropSettings()
	for _, f := range cidr.Families {
		s.gone[f] = state.IsGone(r.Sets.Kind(r.Cfg.SetName(int(f))))
	}
	s.missing, s.missErr = r.missingSets()
	if w.none {
		s.undropped = r.undropped(ctx, s.saved, how.ByHand)
	}
	if w.base != nil && how.ByHand {
		s.listeners = r.Look().Listeners
		s.uses = usesOf(s.listeners)
	}
	return s, nil
}

// lookAround finds out what decides where the drop stands, apart from the base rules. With again, a
// raw table that was refused is tried again.
func (s *sight) lookAround(ctx context.Context, cfg config.Config, again bool) {
	s.place = placingOf(cfg, s.record)
	s.place.found, s.unread = reach.AvoidInput(ctx, cfg, s.fw.Backend, s.saved)
	s.place.unread, s.freePBX = s.unread != nil, host.HasFreePBXFirewall("")
	unsure := s.record.DropAt == "" || s.record.DropWhy == WhyStands
	s.place.stands = unsure && stoodAtPrerouting(cfg, s.saved)
	for f, refused := range s.record.RawRefused {
		s.refusedRaw[f] = refused && !again && !s.saved[f].HasTable("raw")
	}
	s.place.noRaw = s.rawless()
}

// stoodAtPrerouting reports whether voipbl's drop is in PREROUTING. Without the record, this is the
// only trace of the last decision.
func stoodAtPrerouting(cfg config.Config, saved [2]*iptables.Saved) bool {
	for _, f := range iptables.Families {
		for _, d := range saved[f].DropRules(cfg.SetName(int(f))) {
			if d.Ours && d.Table == "raw" {
				return true
			}
		}
	}
	return false
}

// rawless returns the families whose raw table cannot be used, as far as that is known.
func (s *sight) rawless() (noRaw [2]bool) {
	for f, saved := range s.saved {
		noRaw[f] = s.refusedRaw[f] || saved.Trouble == nil && saved.Readable("raw") != nil
	}
	return noRaw
}

// hasBase reports whether base rules are in the kernel. While they cannot be listed, they are as
// they were.
func (s *sight) hasBase() bool {
	for _, saved := range s.saved {
		if saved.HasBase() || saved.Unknown() != nil && s.record.Base {
			return true
		}
	}
	return false
}

// placed returns where the drop is to be, with or without base rules in the kernel.
func (s *sight) placed(base bool) Placed {
	p := s.place
	p.base = base
	return p.place()
}

// dropBeside returns the rules besides the base rules, in their place.
func (s *sight) dropBeside(base bool) ruleset.Settings { return s.placed(base).of(s.drop) }

// plan returns the changes that make the kernel hold want.
func (s *sight) plan(want ruleset.Wanted) [2]*firewall.Plan {
	return s.fw.Plan(want, s.saved, s.record.Readback)
}

// lacking returns the missing sets that rules refer to. With base, those of the base rules
// count too.
func (s *sight) lacking(base bool) []string {
	return slices.DeleteFunc(slices.Clone(s.missing), func(name string) bool {
		return !base && (name == ruleset.BanSetName(iptables.IPv4) || name == ruleset.BanSetName(iptables.IPv6) || slices.Contains(s.drop.KnownSets[:], name))
	})
}

// accepted reports whether the base rules as configured have been accepted before.
func (s *sight) accepted(w want) bool { return s.state.accepted(w.key) }

// rejected returns why the base rules, as configured now, are not tried again unasked: they
// lapsed or were rolled back. Otherwise it returns nil.
func (s *sight) rejected(w want) error {
	if rej := s.state.Rejected; rej != nil && rej.Key == w.key {
		return &RejectedError{At: rej.At, Why: rej.Why}
	}
	return nil
}

// knownTroubles returns the families that could not be listed now, or whose rules could not be
// put right the last time and are still wrong.
func (s *sight) knownTroubles(w want, plans [2]*firewall.Plan) (all []problem.FamilyProblem) {
	for _, f := range iptables.Families {
		switch {
		case f == iptables.IPv6 && w.ipv6Off:
		case s.saved[f].Trouble != nil:
			all = append(all, problem.OfFamily(&firewall.FamilyError{Family: f, Err: s.saved[f].Trouble}))
		case s.gone[f]: // reported elsewhere, and the cause
		case s.record.Troubles[f] != nil && !plans[f].Unchanged():
			all = append(all, problem.FamilyProblem{Family: f.String(), Problem: *s.record.Troubles[f], In: f})
		}
	}
	return all
}

// asLastTime reports whether the same rules are wanted as the last time and no rule of either
// backend has changed since. Then nothing has to be read. The other backend counts, since
// rules there may decide where the drop goes.
func (r *Hold) asLastTime() bool {
	if r.Record.Generation == "" || r.Record.Generation != r.Fw.Generation() || r.Record.Other != r.Fw.OtherGeneration() || r.StateErr != nil || r.State.Pending != nil {
		return false
	}
	if host.HasFreePBXFirewall("") != r.Record.FreePBX { // no rule says so
		return false
	}
	p := placingOf(r.Cfg, r.Record)
	p.base = r.Cfg.Firewall.Base
	s := p.place().of(r.dropSettings())
	s.Base = settings.BaseSettings(r.Cfg, r.Trunks)
	return r.Record.Wanted == problem.Digest(s.Wanted())
}

// dropSettings returns those of the configuration, with the sets that are about to be replaced.
// The place of the drop is left open.
func (r *Hold) dropSettings() ruleset.Settings {
	s := settings.DropSettings(r.Cfg, r.Sets, "")
	for _, f := range cidr.Families {
		if r.Replaced[f] {
			s.Sets[f] = r.Cfg.SetName(int(f))
		}
	}
	return s
}

// DropBanned reports whether rules drop banned addresses. A rule that refers to the sets is
// not enough: it may only log.
func (r *Hold) DropBanned(ctx context.Context) bool {
	if r.asLastTime() {
		return true
	}
	saved, err := r.Fw.Read(ctx)
	if err != nil {
		return true // as far as is known; whoever repairs the rules reports it
	}
	// If something was put above them, the agent, if one runs, deals with it. It does not fight
	// for the first place forever.
	_, agent, _ := state.AgentRuns(r.Cfg) // not knowing it, the rules are put right
	for _, f := range cidr.Families {
		if saved[f].Trouble != nil || r.Record.Troubles[f] != nil || !settings.WantsRules(r.Cfg, iptables.Family(f)) {
			continue // whoever repairs the rules reports it
		}
		drops := saved[f].DropRules(r.Cfg.BanSetName(int(f)))
		if !agent {
			drops = slices.DeleteFunc(drops, iptables.DropRule.Bypassed)
		}
		if len(drops) == 0 {
			return false
		}
	}
	return true
}
