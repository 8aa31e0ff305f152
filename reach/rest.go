package reach

import (
	"strings"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
)

// Rest is the host's firewall without voipbl's rules: what it does with everybody who is not
// blocked.
type Rest struct {
	Owners []string          `json:"owners"` // the programs that manage it, found by their rules
	IPv4   iptwalk.Reception `json:"ipv4"`   // what INPUT does with strangers
	IPv6   iptwalk.Reception `json:"ipv6"`

	Wanted bool `json:"-"` // base rules are configured but not installed
}

// RestOf reads the Rest from the rules of all backends.
func RestOf(rules []KernelRules, native *nft.Ruleset) *Rest {
	owners := OtherOwners(rules, native)
	if owners == nil {
		owners = []string{}
	}
	return &Rest{Owners: owners, IPv4: reception(rules, iptables.IPv4), IPv6: reception(rules, iptables.IPv6)}
}

// Of is what INPUT does with strangers of a family.
func (r Rest) Of(f iptables.Family) iptwalk.Reception {
	return [...]iptwalk.Reception{r.IPv4, r.IPv6}[f]
}

// Words describes the rest in one line. on says what is in force; see blocklist.Status.On.
func (r Rest) Words(on string) string {
	closes := "\"voipbl setup\" proposes base rules, which close the rest"
	if r.Wanted { // a problem says why they are not installed
		closes = "the base rules that are configured would close the rest, and are not installed"
	}
	switch {
	case len(r.Owners) > 0:
		return "blocked addresses are dropped; the rest of the firewall is " + strings.Join(r.Owners, " and ")
	case r.IPv4 == iptwalk.LetsIn && r.IPv6 == iptwalk.LetsIn:
		return on + ", and the rest of the firewall is off: all others reach every open port; " + closes
	case r.IPv4 == iptwalk.KeepsOut && r.IPv6 == iptwalk.KeepsOut:
		return "blocked addresses are dropped; the rest of the firewall is your own rules in INPUT"
	}
	return on + ", the base rules are off, and your own rules in INPUT decide about some of the others; " + closes
}

// reception returns what all backends together do with strangers, without voipbl's base rules. A
// family that the kernel does not have counts as open as the other.
func reception(rules []KernelRules, f iptables.Family) iptwalk.Reception {
	all := iptwalk.LetsIn
	for _, k := range rules {
		saved := k.Saved[f]
		if saved.Absent || saved.HasBase() {
			continue
		}
		switch r := iptwalk.ReceptionOf(saved); {
		case r == iptwalk.KeepsOut:
			return r
		case r == iptwalk.Unclear:
			all = r
		}
	}
	return all
}
