package reach

import (
	"cmp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
)

// FreePBXTrusts returns the addresses that FreePBX's own firewall trusts, read from its rules of
// iptables or, from FreePBX 18 on, of nftables. native must have the elements of sets.
func FreePBXTrusts(rules []KernelRules, native *nft.Ruleset) []iptwalk.Trusted {
	var all []iptwalk.Trusted
	for _, k := range rules {
		for _, saved := range k.Saved {
			all = append(all, iptwalk.FreePBXTrusts(saved)...)
		}
	}
	if native != nil {
		for i := range native.Tables {
			if t := &native.Tables[i]; t.Family == nft.Inet && t.Name == "fpbx" {
				all = append(all, nativeTrusts(t)...)
			}
		}
	}
	slices.SortFunc(all, func(a, b iptwalk.Trusted) int {
		return cmp.Or(a.Prefix.Compare(b.Prefix), lasting(a, b), cmp.Compare(a.Why, b.Why)) // lasting reasons first
	})
	return slices.CompactFunc(all, func(a, b iptwalk.Trusted) bool { return a.Prefix == b.Prefix })
}

// lasting compares two: an address trusted for good comes before one trusted for a time.
func lasting(a, b iptwalk.Trusted) int {
	switch {
	case a.Passing == b.Passing:
		return 0
	case b.Passing:
		return -1
	}
	return 1
}

// nativeTrusts reads FreePBX 18's table.
func nativeTrusts(t *nft.Table) (all []iptwalk.Trusted) {
	for _, chain := range []string{"fpbxnets", "fpbxhosts"} {
		for _, j := range t.SourceJumps(chain) {
			if why := iptwalk.FreePBXZone(j.Chain); why != "" && j.From.Bits() > 0 {
				all = append(all, iptwalk.Trusted{Prefix: j.From, Why: why})
			}
		}
	}
	for name, set := range t.Sets {
		for _, p := range set.Prefixes() {
			switch strings.TrimSuffix(name, "6") {
			case "registrations":
				all = append(all, iptwalk.Trusted{Prefix: p, Why: iptwalk.TrustedPhone, Passing: true})
			case "smarthosts":
				all = append(all, iptwalk.Trusted{Prefix: p, Why: iptwalk.TrustedTrunk})
			}
		}
	}
	return all
}
