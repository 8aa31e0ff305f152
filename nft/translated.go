package nft

import (
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Translation is where nat sends packets instead of where they were sent.
type Translation struct {
	NAT
	Table, Chain string
	Certain      bool // all of them; else it is not known of how many, nor where to
}

// Translated is what nat does to packets to one port, nil if nothing.
func (r *Ruleset) Translated(p Packet) *Translation {
	var nat []at
	for _, c := range r.base(Prerouting, p.is6()) {
		if c.Type == "nat" && !c.Chain.shown {
			nat = append(nat, c)
		}
	}
	if nat == nil {
		return nil
	}
	changed := p.Others.Untracks || p.Others.Marks || r.Affects(p).Untracks
	w := newWalk(r, p)
	for _, c := range nat {
		w.base(c, way{})
	}
	if len(w.nat) == 0 {
		return nil
	}
	first := w.nat[0]
	first.Certain = first.Certain && len(w.nat) == 1 && !changed && !w.fate.Cut
	return &first
}

// Translates reports whether a native chain may translate packets of a family.
func (r *Ruleset) Translates(is6 bool) bool {
	return slices.ContainsFunc(r.base(Prerouting, is6), func(c at) bool { return c.Type == "nat" && !c.Chain.shown && len(c.Rules) > 0 })
}

// NATKinds are the ports of a protocol, those together between which no rule tells a
// difference that a chain of nat leads to as packets come in; nor any other rule, where one
// marks packets or changes how they are tracked, on which it depends what nat does.
func (r *Ruleset) NATKinds(proto string, is6 bool) [][]PortRange {
	nat := &Ruleset{}
	if r.changes() {
		nat.Tables = slices.Clone(r.Tables)
	}
	for _, c := range r.base(Prerouting, is6) {
		if c.Type == "nat" && !c.Chain.shown {
			nat.Tables = append(nat.Tables, c.Table.reached(c.Chain))
		}
	}
	asked, _ := nat.asked(proto)
	kinds, _ := portrange.AllKinds(asked)
	return kinds
}

// changes reports whether a rule marks packets, or changes how they are tracked.
func (r *Ruleset) changes() bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool {
		return slices.ContainsFunc(t.Chains, func(c Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r Rule) bool {
				return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Mark != nil || s.Track != plain })
			})
		})
	})
}

// reached are the chain and those of its table that its rules lead to.
func (t *Table) reached(from *Chain) Table {
	seen := map[string]bool{from.Name: true}
	all := []Chain{*from}
	lead := func(v *Verdict) {
		if v != nil && (v.Kind == Jump || v.Kind == Goto) && !seen[v.Chain] {
			seen[v.Chain] = true
			if to := t.Chain(v.Chain); to != nil {
				all = append(all, *to)
			}
		}
	}
	for i := 0; i < len(all); i++ {
		for _, r := range all[i].Rules {
			for _, s := range r.Steps {
				if lead(s.Verdict); s.Map != nil {
					for _, e := range t.Sets[s.Map.Set].all() {
						lead(e.verdict)
					}
				}
			}
		}
	}
	of := *t
	of.Chains = all
	return of
}
