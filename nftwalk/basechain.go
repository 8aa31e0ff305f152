package nftwalk

import (
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// base returns the base chains at a hook that packets of a family reach, in order.
func base(r *nft.Ruleset, h nft.Hook, is6 bool) []at {
	var all []at
	for i := range r.Tables {
		t := &r.Tables[i]
		if t.Dormant || t.Family == nft.ARP || t.Family == nft.IPv4 && is6 || t.Family == nft.IPv6 && !is6 {
			continue
		}
		for j := range t.Chains {
			if c := &t.Chains[j]; c.Hook == h {
				all = append(all, at{Table: t, Chain: c})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b at) int { return int(a.Chain.Priority) - int(b.Chain.Priority) })
	return all
}

// at is a chain and its table.
type at struct {
	*nft.Table
	*nft.Chain
}
