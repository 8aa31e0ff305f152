package ruleset

import (
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// KeepBase adds to w the base rules that the kernel holds, exactly as they are, so that they are
// neither changed nor removed.
func (w Wanted) KeepBase(saved [2]*iptables.Saved) Wanted {
	for _, f := range iptables.Families {
		own := iptables.FindTable(saved[f].Own(), "filter")
		kept := iptables.Table{Name: "filter", Needs: own.Needs}
		for _, c := range own.Chains {
			if iptables.IsBaseChain(c.Name) {
				kept.Chains = append(kept.Chains, c)
			}
		}
		for _, h := range own.Hooks {
			if h.Last {
				kept.Hooks = append(kept.Hooks, h)
			}
		}
		if len(kept.Chains)+len(kept.Hooks) > 0 {
			w[f] = merge(w[f], kept)
		}
	}
	return w
}

// merge adds a table's content to the table of the same name.
func merge(tables []iptables.Table, more iptables.Table) []iptables.Table {
	merged := slices.Clone(tables)
	for i, t := range merged {
		if t.Name == more.Name {
			merged[i].Chains = slices.Concat(t.Chains, more.Chains)
			merged[i].Hooks = slices.Concat(t.Hooks, more.Hooks)
			merged[i].Needs = slices.Concat(t.Needs, more.Needs)
			return merged
		}
	}
	return append(merged, more)
}
