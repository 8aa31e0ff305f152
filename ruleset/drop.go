package ruleset

import (
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// DropsFrom begins the purpose of a rule that drops the members of a set.
const DropsFrom = "drop what comes from "

// Tables renders the rules of one family: pure text, the same on every host.
func (s Settings) Tables(f iptables.Family) []iptables.Table {
	if f == iptables.IPv6 && s.IPv6Off || s.DropAt == Nowhere {
		return nil
	}
	table, in, out := "filter", "INPUT", "OUTPUT"
	if s.at(f) == AtPrerouting {
		table, in = "raw", "PREROUTING"
	}
	drop := iptables.Table{Name: table}
	verdict := "DROP"
	if s.LogDrops != LogOff {
		verdict = iptables.DropChain
		drop.Chains = append(drop.Chains, chainOf(iptables.DropChain, logged(s.LogDrops)))
	}
	hook := func(chain string, r Rule) {
		r.Target = verdict
		drop.Hooks = append(drop.Hooks, iptables.Hook{Chain: chain, Rule: r.String()})
	}
	dropped := []struct{ set, what string }{{s.Sets[f], "blocked"}, {s.BanSets[f], "banned"}}
	dropped = slices.DeleteFunc(dropped, func(d struct{ set, what string }) bool { return d.set == "" })
	for _, d := range dropped {
		hook(in, Rule{For: DropsFrom + d.what + " addresses", Matches: []string{"-m set --match-set " + d.set + " src"}})
	}
	for _, d := range dropped {
		if !s.DropOutbound {
			break
		}
		// The set's counters count blocked sources; packets that this host sends do not count.
		to := Rule{For: "drop what goes to " + d.what + " addresses", Matches: []string{"-m set --match-set " + d.set + " dst ! --update-counters"}}
		if s.at(f) == AtPrerouting { // containers' packets too
			hook(in, to)
		}
		hook(out, to)
	}
	if s.Base == nil {
		return []iptables.Table{drop}
	}
	b := *s.Base
	b.Known = s.KnownSets
	base := iptables.Table{
		Name:   "filter",
		Chains: b.chains(f),
		Hooks: []iptables.Hook{
			{Chain: "INPUT", Last: true, Rule: Rule{For: "the base rules, which end in DROP", Target: iptables.BaseChain}.String()},
			{Chain: "OUTPUT", Last: true, Rule: Rule{For: "everything may go out", Target: "ACCEPT"}.String()},
		},
		Needs: []string{iptables.SSHChain},
	}
	if drop.Name != base.Name {
		return []iptables.Table{drop, base}
	}
	base.Chains = append(drop.Chains, base.Chains...)
	base.Hooks = append(drop.Hooks, base.Hooks...)
	return []iptables.Table{base}
}

const (
	// logRate and logBurst bound what drops write to a log: a scan from a blocked network is
	// tens of thousands of packets a second.
	logRate  = "10/min"
	logBurst = "10"

	// logPrefix begins each line, below LOG's limit of 29 characters
	// (linux/netfilter/xt_LOG.h) and NFLOG's of 63 (xt_NFLOG.h).
	logPrefix = "voipbl-drop: "
)

func logged(to LogTarget) []Rule {
	option := map[LogTarget]string{LogKernel: " --log-prefix ", LogNetlink: " --nflog-prefix "}[to]
	return []Rule{
		{For: "log some of the drops", Matches: []string{"-m limit --limit " + logRate + " --limit-burst " + logBurst}, Target: string(to) + option + `"` + logPrefix + `"`},
		{For: "drop them all", Target: "DROP"},
	}
}

func chainOf(name string, rules []Rule) iptables.Chain {
	c := iptables.Chain{Name: name}
	for _, r := range rules {
		c.Rules = append(c.Rules, r.String())
	}
	return c
}
