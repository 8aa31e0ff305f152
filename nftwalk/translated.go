package nftwalk

import (
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// Translation is where nat sends packets.
type Translation struct {
	nft.NAT
	Table, Chain string
	Certain      bool // all of them; otherwise neither how many nor where to is known
}

// Translated returns what nat does to packets to one port, nil if nothing.
func Translated(r *nft.Ruleset, p Packet) *Translation {
	var nat []at
	for _, c := range base(r, nft.Prerouting, p.is6()) {
		if c.Type == "nat" && !c.Chain.Shown {
			nat = append(nat, c)
		}
	}
	if nat == nil {
		return nil
	}
	changed := p.Others.Untracks || p.Others.Marks || Affects(r, p).Untracks
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
func Translates(r *nft.Ruleset, is6 bool) bool {
	return slices.ContainsFunc(base(r, nft.Prerouting, is6), func(c at) bool { return c.Type == "nat" && !c.Chain.Shown && len(c.Rules) > 0 })
}

// NATKinds groups the ports of a protocol that rules reachable from a nat chain for incoming
// packets do not tell apart. If any rule marks packets or changes how they are tracked, all rules
// count, since nat may depend on that.
func NATKinds(r *nft.Ruleset, proto string, is6 bool) [][]PortRange {
	nat := &nft.Ruleset{}
	if changes(r) {
		nat.Tables = slices.Clone(r.Tables)
	}
	for _, c := range base(r, nft.Prerouting, is6) {
		if c.Type == "nat" && !c.Chain.Shown {
			nat.Tables = append(nat.Tables, reached(c.Table, c.Chain))
		}
	}
	asked, _ := asked(nat, proto)
	kinds, _ := portrange.AllKinds(asked)
	return kinds
}

// changes reports whether a rule marks packets, or changes how they are tracked.
func changes(r *nft.Ruleset) bool {
	return slices.ContainsFunc(r.Tables, func(t nft.Table) bool {
		return slices.ContainsFunc(t.Chains, func(c nft.Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r nft.Rule) bool {
				return slices.ContainsFunc(r.Steps, func(s nft.Step) bool { return s.Mark != nil || s.Track != nft.Tracked })
			})
		})
	})
}

// reached returns the chain and those of its table that its rules lead to.
func reached(t *nft.Table, from *nft.Chain) nft.Table {
	seen := map[string]bool{from.Name: true}
	all := []nft.Chain{*from}
	lead := func(v *nft.Verdict) {
		if v != nil && (v.Kind == nft.Jump || v.Kind == nft.Goto) && !seen[v.Chain] {
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
					for _, e := range t.Sets[s.Map.Set].All() {
						lead(e.Verdict)
					}
				}
			}
		}
	}
	of := *t
	of.Chains = all
	return of
}
