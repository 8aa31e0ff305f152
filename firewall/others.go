package firewall

import (
	"slices"
	"strings"
)

// DropsAnywhere finds the rules that drop the members of one of some sets, or of a set and
// the lists that it is in, somewhere on the way of packets for this host, whoever made them,
// also in chains that are gone to. Whether they drop all packets of a member is not looked
// at.
func (s *Saved) DropsAnywhere(sets ...string) []DropRule {
	var found []DropRule
	for _, at := range incoming {
		seen := map[string]bool{at.chain: true}
		for queue := []string{at.chain}; len(queue) > 0; queue = queue[1:] {
			chain := queue[0]
			for i, r := range s.rules(at.table, chain) {
				to := target(r.text)
				if asksForMembers(r.text, sets) && s.closes(at.table, to) {
					found = append(found, DropRule{
						Table: at.table, Chain: chain, Ours: isOurs(chain, r.text),
						Above: s.texts(at.table, chain)[:i], Packets: r.packets, Bytes: r.bytes,
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

// closes reports whether a target drops or rejects all that comes to it.
func (s *Saved) closes(table, target string) bool {
	f, certain := s.ends(table, target, 0)
	return certain && f == closed
}

// asksForMembers reports whether a rule is about packets whose source is in one of some sets.
func asksForMembers(rule string, sets []string) bool {
	all := splitRule(rule)
	for i, w := range all {
		if w != "--match-set" || !slices.Contains(sets, next(all, i)) || i > 0 && all[i-1] == "!" || exceptions(all[i:]) {
			continue
		}
		return next(all, i+1) == "src" || strings.HasPrefix(next(all, i+1), "src,")
	}
	return false
}
