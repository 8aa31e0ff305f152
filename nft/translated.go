package nft

import "slices"

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

// Kinds are the ports of a protocol, those together between which no rule tells a difference.
func (r *Ruleset) Kinds(proto string) [][]PortRange {
	kinds, _ := r.kinds(proto)
	return kinds
}
