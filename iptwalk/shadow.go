package iptwalk

import (
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// Shadow is a rule that no packet can reach, since an earlier rule ends all packets that it
// matches.
type Shadow struct {
	Table, Chain string
	Rule         string // without "-A CHAIN"
	Ours         bool   // the rule is voipbl's

	By      string // the earlier rule
	ByChain string // the chain of that rule
	ByOurs  bool

	// Same means that nothing is lost: the packets end the same way.
	Same bool
}

// Shadowed finds rules that can never match, in the chains that packets for this host reach first
// (raw PREROUTING, INPUT) and in voipbl's chains behind them. It compares only plain matches
// (addresses, interfaces, protocols, ports): what it finds is certain, but it may miss some. Rules
// in voipbl's chains that are behind others of voipbl's are meant to be so, and are left out.
func Shadowed(s *iptables.Saved) []Shadow {
	var found []Shadow
	for _, at := range iptables.DropPlaces {
		w := shadows{saved: s, table: at.Table, fates: fatesOf(s, at.Table)}
		w.walk(at.Chain, box{}, nil)
		found = append(found, w.found...)
	}
	return found
}

// shadows looks through one table.
type shadows struct {
	saved *iptables.Saved
	table string
	fates *fates
	found []Shadow
}

// cover is a rule that ends all packets of its box.
type cover struct {
	box
	chain, rule string
	fate        fate
	rest        fate // what becomes of packets that no rule of its chain names
}

// walk looks through a chain, for packets that are in a box and have passed the rules above.
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
		f, certain := w.fates.ends(m.target)
		if m.target == "RETURN" {
			f, certain = mixed, true // they return to the caller or the policy, not to a rule below it
		}
		if m.exact && certain {
			rest, _ := w.fates.last(m.target)
			above = append(above, cover{m.box, chain, r.Text, f, both(rest, fateOf(m.target))})
		}
	}
}

// covering returns the first cover that covers one of the boxes. Each box has all the packets in
// question.
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
	f, _ := w.fates.ends(m.target)
	switch {
	case f == by.fate && f != mixed:
		s.Same = f == closed || !limited(rule) // packets above the limit are let in now
	case f == goesOn && w.saved.HasChain(w.table, m.target): // a chain that does nothing
		s.Same = true
	case f == closed && m.everything() && by.rest == closed: // somebody's own last rule
		s.Same = true
	}
	w.found = append(w.found, s)
}

// limited reports whether a rule matches only some of the packets, by their number.
func limited(rule string) bool {
	all := iptables.Words(rule)
	for i, w := range all {
		if w == "-m" && slices.Contains([]string{"limit", "hashlimit", "connlimit", "recent", "quota", "statistic"}, iptables.Next(all, i)) {
			return true
		}
	}
	return false
}
