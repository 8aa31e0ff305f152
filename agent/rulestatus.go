package agent

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// RulesStatus is how the rules stand in the kernel.
type RulesStatus struct {
	Backend string            `json:"backend"`
	DropAt  string            `json:"drop_at"`        // where the drop is to stand
	Drops   []DropStatus      `json:"drops"`          // the rules that drop blocked addresses
	Since   time.Time         `json:"since,omitzero"` // when those of ours began to count
	Base    string            `json:"base"`           // BaseOn or BaseOff, in the kernel
	Drift   []firewall.Change `json:"drift"`          // what is not as it should be
	Pending *PendingReport    `json:"pending,omitempty"`
	Problem *Problem          `json:"problem,omitempty"` // why the base rules are not as configured, or nothing is known

	// Other is how many rules there are in the other backend, whoever's they
	// are: the tools of this one do not show them.
	Other int `json:"other_backend_rules"`
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

// rulesStatus looks at the rules of both backends. How they stand is judged as whoever
// will act judges it: the agent, if one runs, which installs no base rules that are new,
// else who asks.
func rulesStatus(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, store *fetch.Store, protected *Protection, agentRuns bool) *RulesStatus {
	s := &RulesStatus{Drops: []DropStatus{}, Drift: []firewall.Change{}, Base: BaseOff}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		s.Problem = problemOf(err)
		return s
	}
	s.Backend = string(fw.Backend)
	for _, each := range firewall.Backends() {
		saved, err := each.Read(ctx)
		if err != nil {
			if each.Backend == fw.Backend {
				s.Problem = problemOf(err)
			}
			continue
		}
		for _, f := range cidr.Families {
			s.addDrops(each, saved[f], setName(cfg, f))
			s.addDrops(each, saved[f], cfg.BanSetName(int(f)))
			if each.Backend != fw.Backend {
				s.Other += saved[f].Rules()
			} else if saved[f].HasBase() {
				s.Base = BaseOn
			}
		}
	}
	r := openRules(cfg, fw, kernel, store)
	defer r.close()
	s.Since = r.record.Since
	if s.Problem != nil {
		return s
	}
	r.trunks = protected.trunks
	report, err := r.ensure(ctx, howRules{dryRun: true, unattended: agentRuns, established: agentRuns})
	s.DropAt, s.Drift, s.Pending = report.DropAt, report.Changes, report.Pending
	if s.Problem = report.Problem; err != nil {
		s.Problem = problemOf(err)
	}
	return s
}

func (s *RulesStatus) addDrops(fw *firewall.Firewall, saved *firewall.Saved, set string) {
	for _, d := range saved.DropRules(set) {
		s.Drops = append(s.Drops, DropStatus{
			Set: set, Backend: string(fw.Backend), Table: d.Table, Chain: d.Chain,
			Position: len(d.Above) + 1, Ours: d.Ours, Packets: d.Packets, Bytes: d.Bytes,
		})
	}
}

// drops reports whether a rule drops the set's members.
func (s *RulesStatus) drops(set string) bool {
	for _, d := range s.Drops {
		if d.Set == set {
			return true
		}
	}
	return false
}

// dropped is what the rules for a set have dropped.
func (s *RulesStatus) dropped(set string) (packets, bytes uint64) {
	for _, d := range s.Drops {
		if d.Set == set {
			packets += d.Packets
			bytes += d.Bytes
		}
	}
	return packets, bytes
}
