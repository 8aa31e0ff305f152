package iptwalk

import (
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// Shadow is a rule that no packet can come to, for an earlier rule ends all that
// it asks for.
type Shadow struct {
	Table, Chain string
	Rule         string // without "-A CHAIN"
	Ours         bool   // the rule is ours

	By      string // the earlier rule
	ByChain string // where that one stands
	ByOurs  bool

	// Same is that nothing is lost: the same becomes of the packets.
	Same bool
}

// Shadowed finds rules that can never match in the chains that packets for this
// host come to first (raw PREROUTING, INPUT), and in chains of ours behind them. Only
// plain matches are compared (addresses, interfaces, protocols, ports), so that what
// is named is certain, and what is not named is not. That a rule of our own chains is
// behind another one of ours is how they are meant.
func Shadowed(s *iptables.Saved) []Shadow {
	var found []Shadow
	for _, at := range []struct{ table, chain string }{{"raw", "PREROUTING"}, {"filter", "INPUT"}} {
		w := shadows{saved: s, table: at.table}
		w.walk(at.chain, box{}, nil)
		found = append(found, w.found...)
	}
	return found
}

// shadows looks through one table.
type shadows struct {
	saved *iptables.Saved
	table string
	found []Shadow
}

// cover is a rule that ends all packets of its box.
type cover struct {
	box
	chain, rule string
	fate        fate
	rest        fate // what becomes of those that no rule of its chain is about
}

// walk looks through a chain whose packets are those of a box, and have passed what
// stands above.
func (w *shadows) walk(chain string, from box, above []cover) {
	for _, r := range w.saved.Rules(w.table, chain) {
		m := readMatch(r.Text)
		here := m.box.within(from)
		if by := covering(above, here, m.box); by != nil {
			w.note(chain, r.Text, m, by)
			continue
		}
		if iptables.IsOurChain(m.target) && w.comesFrom(m.target) == 1 {
			w.walk(m.target, here, above)
		}
		f, certain := ends(w.saved, w.table, m.target, 0)
		if m.target == "RETURN" {
			f, certain = mixed, true // to the policy or the caller: to no rule below it
		}
		if m.exact && certain {
			rest, _ := last(w.saved, w.table, m.target, 0)
			above = append(above, cover{m.box, chain, r.Text, f, both(rest, fateOf(m.target))})
		}
	}
}

// covering returns the first that covers one of the boxes, all of which have the
// packets in question in them.
func covering(above []cover, boxes ...box) *cover {
	for i, c := range above {
		for _, b := range boxes {
			if c.covers(b) {
				return &above[i]
			}
		}
	}
	return nil
}

// comesFrom counts the rules that go to a chain.
func (w *shadows) comesFrom(chain string) int {
	n := 0
	for _, c := range w.saved.Tables[w.table] {
		for _, r := range c.Rules {
			if iptables.Target(r.Text) == chain {
				n++
			}
		}
	}
	return n
}

func (w *shadows) note(chain, rule string, m match, by *cover) {
	s := Shadow{
		Table: w.table, Chain: chain, Rule: rule, Ours: iptables.IsOurs(chain, rule),
		By: by.rule, ByChain: by.chain, ByOurs: iptables.IsOurs(by.chain, by.rule),
	}
	if s.Ours && s.ByOurs {
		return
	}
	f, _ := ends(w.saved, w.table, m.target, 0)
	switch {
	case f == by.fate && f != mixed:
		s.Same = f == closed || !limited(rule) // what is above the limit is let in now
	case f == goesOn && w.saved.HasChain(w.table, m.target): // a chain that does nothing
		s.Same = true
	case f == closed && m.everything() && by.rest == closed: // somebody's own last rule
		s.Same = true
	}
	w.found = append(w.found, s)
}

// limited reports whether a rule is for some of the packets, by how many there are.
func limited(rule string) bool {
	all := iptables.Words(rule)
	for i, w := range all {
		if w == "-m" && slices.Contains([]string{"limit", "hashlimit", "connlimit", "recent", "quota", "statistic"}, iptables.Next(all, i)) {
			return true
		}
	}
	return false
}
