package rules

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// Status is how the rules stand in the kernel.
type Status struct {
	Backend string `json:"backend"`
	Placed
	Drops   []DropStatus      `json:"drops"`          // the rules that drop blocked addresses
	Since   time.Time         `json:"since,omitzero"` // when voipbl's drop rules began to count
	Base    string            `json:"base"`           // BaseOn or BaseOff, in the kernel
	Drift   []firewall.Change `json:"drift"`          // what differs from what is wanted
	Pending *PendingReport    `json:"pending,omitempty"`
	IPv6Off bool              `json:"ipv6_off,omitempty"` // no rules for IPv6, as configured
	Problem *problem.Problem  `json:"problem,omitempty"`  // why the base rules are not as configured, or nothing is known

	// Families are those whose rules are wrong; see [agent.Status.Families].
	Families []problem.FamilyProblem `json:"-"`

	// Rest is what happens to everyone who is not blocked, while the base rules are off; nil
	// if they are on, or if it is not known.
	Rest *reach.Rest `json:"rest,omitempty"`
	// Owners are the other programs that act as a firewall of this host, judged by the rules
	// in the kernel, such as "ufw".
	Owners []string `json:"other_firewalls,omitempty"`

	// Obstacles are why the right rules do not have their effect.
	Obstacles []reach.Obstacle `json:"obstacles,omitempty"`

	// Unfollowed means that not all packets could be followed through all rules: there may be
	// more obstacles, and members of sets may reach something although a rule drops them.
	Unfollowed bool `json:"unfollowed,omitempty"`

	// Other counts all rules in the other backend, of any program. This backend's tools do
	// not show them.
	Other int `json:"other_backend_rules"`

	Kernel      []reach.KernelRules `json:"-"` // all that could be read
	Reached     map[string][]string `json:"-"` // by set, what its members reach past the rules that drop them
	lists       map[string][]string // by set, the lists that contain it, where other programs' rules count
	listsUnread error               // why it is not known which lists a set is in

	Unread       bool             `json:"-"` // the rules could not be read, so nothing is known of them
	NativeUnread *problem.Problem `json:"-"` // why nftables' own rules could not be read
}

// DropStatus is one rule that drops the members of a set as they come in.
type DropStatus struct {
	Set      string `json:"set"`
	Backend  string `json:"backend"`
	Table    string `json:"table"`
	Chain    string `json:"chain"`
	Position int    `json:"position"` // from 1
	Ours     bool   `json:"ours"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
}

// StatusOf looks at the rules of both backends. What the rules are to become is what a running
// agent says; without one, it is what an unattended sync would do.
func StatusOf(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, store *fetch.Store, trunks []netip.Prefix, agent *state.AgentStatus, outlook *Report) *Status {
	s := &Status{Drops: []DropStatus{}, Drift: []firewall.Change{}, Base: BaseOff, IPv6Off: cfg.Firewall.IPv6 == config.IPv6Off}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		s.Problem, s.Unread = problem.Of(err), true
		return s
	}
	s.Backend = string(fw.Backend)
	var mine [2]*iptables.Saved
	for _, each := range firewall.Backends() {
		saved, err := each.Read(ctx)
		if err != nil {
			if each.Backend == fw.Backend {
				s.Problem, s.Unread = problem.Of(err), true
			}
			continue
		}
		if each.Backend == fw.Backend {
			mine = saved
		}
		s.Kernel = append(s.Kernel, reach.KernelRules{Backend: each.Backend, Used: each.Backend == fw.Backend, Saved: saved})
		for _, f := range cidr.Families {
			for _, set := range []string{cfg.SetName(int(f)), cfg.BanSetName(int(f))} {
				drops := saved[f].DropRules(set)
				if settings.LeavesRules(cfg) {
					drops = iptwalk.DropsAnywhere(saved[f], append(s.listsOf(kernel, set), set)...)
				}
				s.addDrops(each, drops, set)
			}
			if each.Backend != fw.Backend {
				s.Other += saved[f].Count()
			} else if saved[f].HasBase() {
				s.Base = BaseOn
			}
		}
	}
	native, err := reach.ReadNative(ctx, s.Kernel, false)
	if err != nil {
		s.NativeUnread = problem.Of(err)
	}
	p, err := reach.PassedBy(ctx, s.Kernel, native)
	if err != nil && s.NativeUnread == nil {
		s.NativeUnread = problem.Of(err)
	}
	s.noteReached(cfg, p)
	p.Left.Renew() // the search for obstacles has its own bound
	if s.Base == BaseOff && !s.Unread {
		s.Rest = reach.RestOf(s.Kernel, native)
		s.Rest.Wanted = cfg.Firewall.Base
	}
	s.Owners = reach.OtherOwners(s.Kernel, native)
	r := Open(cfg, fw, kernel, store)
	defer r.Close()
	s.Since = r.Record.Since
	if s.Problem != nil {
		return s
	}
	var report *Report
	r.Trunks = trunks
	if outlook != nil {
		report = outlook
		report.Problem = r.callerOut(ctx, report.Problem)
	} else {
		report, err = r.Ensure(ctx, How{DryRun: true, OnlyLooks: true, Unattended: agent != nil, Established: agent != nil})
		report.Error = problem.If(err)
	}
	if s.Families = report.Families; len(s.Families) == 0 {
		// While no rule has changed, other callers need not list them.
		s.Families = Unreadable(cfg, mine)
	}
	s.Placed, s.Drift, s.Pending, s.Problem = report.Placed, append(s.Drift, report.Changes...), report.Pending, report.Problem
	if s.Pending != nil && r.State.Pending != nil { // the agent may not have looked since
		p := r.State.Pending
		s.Pending.Gone, s.Pending.Unset, s.Pending.base = p.isGone(mine), p.Base != nil && !cfg.Firewall.Base, p.Base != nil
	}
	if report.Error != nil {
		s.Problem = report.Error
	}
	if s.listsUnread != nil && !s.Unread {
		s.Problem, s.Unread = problem.Of(s.listsUnread), true
	}
	if len(s.Drift) == 0 || settings.LeavesRules(cfg) { // else drift is put right first
		var cut error
		p.NoRaw, p.RawFailed = s.NoRaw, s.RawFailed
		s.Obstacles, cut = reach.Obstacles(cfg, trunks, p)
		s.Unfollowed = s.Unfollowed || cut != nil
	}
	return s
}

// LeaveBase gives a problem that keeps base rules out another remedy if the agent refuses a
// file without base rules: whoever wrote that file does not want them on trial, and has
// already done what else would help.
func LeaveBase(p *problem.Problem, agent *state.AgentStatus) *problem.Problem {
	if p == nil || agent == nil || !agent.RefusedWithoutBase || agent.ConfigError == nil {
		return p
	}
	return &problem.Problem{Reason: p.Reason, Error: p.Error, Remedy: agent.ConfigError.Remedy}
}

// UnfollowedWords say that not all packets could be followed.
const UnfollowedWords = "not all that may be in the way of the rules is known: there are too many rules to follow all packets"

// Tells reports whether an obstacle already names what keeps out this exempt address.
func (s *Status) Tells(b reach.ExemptBan) bool {
	return b.Place != nil && slices.ContainsFunc(s.Obstacles, func(o reach.Obstacle) bool { return o.Tells(*b.Place, b.Banned) })
}

func (s *Status) addDrops(fw *firewall.Firewall, drops []iptables.DropRule, set string) {
	for _, d := range drops {
		s.Drops = append(s.Drops, DropStatus{
			Set: set, Backend: string(fw.Backend), Table: d.Table, Chain: d.Chain,
			Position: len(d.Above) + 1, Ours: d.Ours, Packets: d.Packets, Bytes: d.Bytes,
		})
	}
}

// noteReached finds out what members of the sets reach although a rule drops them.
func (s *Status) noteReached(cfg config.Config, p reach.Passed) {
	s.Reached = make(map[string][]string)
	for _, f := range cidr.Families {
		filters := p.Filters(iptables.Family(f), reach.Nobody)
		for _, set := range []string{cfg.SetName(int(f)), cfg.BanSetName(int(f))} {
			if s.hasDrop(set) {
				reached, cut := filters.Reached(cfg, set, s.lists[set], false)
				s.Reached[set], s.Unfollowed = reached, s.Unfollowed || cut != nil
			}
		}
	}
}

// listsOf returns the lists that contain a set, looked up once.
func (s *Status) listsOf(kernel *ipsetsync.Kernel, set string) []string {
	if s.lists == nil {
		s.lists = make(map[string][]string)
	}
	if _, known := s.lists[set]; !known {
		lists, err := kernel.Lists(set)
		s.lists[set], s.listsUnread = slices.Clip(lists), errors.Join(s.listsUnread, err)
	}
	return s.lists[set]
}

// hasDrop reports whether a rule drops at least some packets of the set's members.
func (s *Status) hasDrop(set string) bool {
	return slices.ContainsFunc(s.Drops, func(d DropStatus) bool { return d.Set == set })
}

// DropsSet reports whether all packets of the set's members are dropped.
func (s *Status) DropsSet(set string) bool { return s.hasDrop(set) && len(s.Reached[set]) == 0 }

// Dropped returns how much the rules for a set have dropped. While voipbl's drop moves to the
// other table, both tables have its rule with the same count, which counts once.
func (s *Status) Dropped(set string) (packets, bytes uint64) {
	ours := make(map[string]DropStatus) // by backend
	for _, d := range s.Drops {
		switch before := ours[d.Backend]; {
		case d.Set != set:
		case !d.Ours:
			packets, bytes = packets+d.Packets, bytes+d.Bytes
		case d.Packets >= before.Packets:
			ours[d.Backend] = d
		}
	}
	for _, d := range ours {
		packets, bytes = packets+d.Packets, bytes+d.Bytes
	}
	return packets, bytes
}

// InPlace reports whether the drop stands in its place, in at least one family.
func (s *Status) InPlace() bool {
	table := "filter"
	if s.DropAt == ruleset.AtPrerouting {
		table = "raw"
	}
	return slices.ContainsFunc(s.Drops, func(d DropStatus) bool { return d.Ours && d.Backend == s.Backend && d.Table == table })
}

// OnlyMoves reports whether the drop is to be moved to its place, and nothing else differs.
func (s *Status) OnlyMoves() bool {
	_, only := firewall.MovesDrop(s.Drift)
	return only
}
