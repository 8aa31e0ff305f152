package iptwalk

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/iptables"
)

// DropsAnywhere finds the rules of any program, on the way of packets for this host and in chains
// they jump to, that drop the members of one of the given sets. Pass a set together with the
// lists that contain it. A rule counts even if it drops only some packets of a member.
func DropsAnywhere(s *iptables.Saved, sets ...string) []iptables.DropRule {
	var found []iptables.DropRule
	for _, at := range incoming {
		seen := map[string]bool{at.chain: true}
		for queue := []string{at.chain}; len(queue) > 0; queue = queue[1:] {
			chain := queue[0]
			for i, r := range s.Rules(at.table, chain) {
				to := iptables.Target(r.Text)
				if asksForMembers(r.Text, sets) && closes(s, at.table, to) {
					found = append(found, iptables.DropRule{
						Table: at.table, Chain: chain, Ours: iptables.IsOurs(chain, r.Text),
						Above: s.Texts(at.table, chain)[:i], Packets: r.Packets, Bytes: r.Bytes,
					})
				}
				if s.HasChain(at.table, to) && !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
	return found
}

// closes reports whether a target drops or rejects all that reaches it.
func closes(s *iptables.Saved, table, target string) bool {
	f, certain := fatesOf(s, table).ends(target)
	return certain && f == closed
}

// asksForMembers reports whether a rule is for packets whose source is in one of the sets.
func asksForMembers(rule string, sets []string) bool {
	all := iptables.Words(rule)
	for i, w := range all {
		if w != "--match-set" || !slices.Contains(sets, iptables.Next(all, i)) || i > 0 && all[i-1] == "!" || exceptions(all[i:]) {
			continue
		}
		return iptables.Next(all, i+1) == "src" || strings.HasPrefix(iptables.Next(all, i+1), "src,")
	}
	return false
}

// exceptions reports whether the set match at the start of words is for the set's exceptions.
func exceptions(words []string) bool {
	for _, w := range words {
		switch w {
		case "--return-nomatch":
			return true
		case "-m", "-j", "-g":
			return false
		}
	}
	return false
}

// DropSets returns, in order, the sets whose members any program's rules drop on the way of packets
// for this host, except those that fail2ban's actions fill.
func DropSets(s *iptables.Saved) []string {
	var sets []string
	for _, at := range incoming {
		comeTo(s, []place{at}, func(rule string) bool {
			words := iptables.Words(rule)
			if banrule.IsWritten(words) {
				return true
			}
			for i := range words {
				if set := iptables.Next(words, i); words[i] == "--match-set" && !banrule.IsFail2ban(set) && asksForMembers(rule, []string{set}) && closes(s, at.table, iptables.Target(rule)) {
					sets = append(sets, set)
				}
			}
			return true
		})
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}
