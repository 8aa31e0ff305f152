package iptwalk

import (
	"net/netip"

	"github.com/voipbl/voipbl/iptables"
)

// Trusted is an address or a network that FreePBX's own firewall trusts.
type Trusted struct {
	Prefix netip.Prefix `json:"prefix"`
	Why    string       `json:"why"`

	// Passing means that it is trusted only while somebody there is registered.
	Passing bool `json:"passing,omitempty"`
}

// freePBXZones are the zones of FreePBX's firewall that are for friends.
var freePBXZones = map[string]string{"zone-trusted": "its zone \"trusted\"", "zone-internal": "its zone \"internal\""}

// Why FreePBX's firewall trusts an address outside its zones for friends.
const (
	TrustedPhone = "a registered phone"
	TrustedTrunk = "a trunk"
)

// FreePBXZone says which zone for friends a chain of FreePBX's firewall stands for; it is empty for
// other chains.
func FreePBXZone(chain string) string { return freePBXZones[chain] }

// FreePBXTrusts returns what FreePBX's firewall trusts by its iptables rules: the networks and
// hosts of its zones for friends, registered phones and trunks.
func FreePBXTrusts(s *iptables.Saved) []Trusted {
	var all []Trusted
	for _, chain := range []string{"fpbxnets", "fpbxhosts", "fpbxregistrations", "fpbxsmarthosts"} {
		for _, rule := range s.Texts("filter", chain) {
			m := readMatch(rule)
			t := Trusted{Prefix: m.src, Why: freePBXZones[m.target]}
			switch {
			case chain == "fpbxregistrations" && m.target == "fpbxknownreg":
				t.Why, t.Passing = TrustedPhone, true
			case chain == "fpbxsmarthosts" && m.target == "ACCEPT":
				t.Why = TrustedTrunk
			}
			if m.src.IsValid() && m.src.Bits() > 0 && t.Why != "" {
				all = append(all, t)
			}
		}
	}
	return all
}
