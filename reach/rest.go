package reach

import (
	"strings"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/nft"
)

// Rest is the firewall of a host but for voipbl's rules: what becomes of everyone who is
// not blocked.
type Rest struct {
	Owners []string           `json:"owners"` // the programs that look after it, by their rules
	IPv4   firewall.Reception `json:"ipv4"`   // what INPUT does with strangers
	IPv6   firewall.Reception `json:"ipv6"`

	Wanted bool `json:"-"` // base rules are configured, and not installed
}

// RestOf tells it by the rules of all backends.
func RestOf(rules []KernelRules, native *nft.Ruleset) *Rest {
	owners := OtherOwners(rules, native)
	if owners == nil {
		owners = []string{}
	}
	return &Rest{Owners: owners, IPv4: reception(rules, firewall.IPv4), IPv6: reception(rules, firewall.IPv6)}
}

// Of is what INPUT does with strangers of a family.
func (r Rest) Of(f firewall.Family) firewall.Reception {
	return [...]firewall.Reception{r.IPv4, r.IPv6}[f]
}

// Words say it in a line. on is what is in force; see Status.On.
func (r Rest) Words(on string) string {
	closes := "\"voipbl setup\" proposes base rules, which close the rest"
	if r.Wanted { // what keeps them away is told as a problem
		closes = "the base rules that are configured would close the rest, and are not installed"
	}
	switch {
	case len(r.Owners) > 0:
		return "blocked addresses are dropped; the rest of the firewall is " + strings.Join(r.Owners, " and ")
	case r.IPv4 == firewall.LetsIn && r.IPv6 == firewall.LetsIn:
		return on + ", and the rest of the firewall is off: all others reach every open port; " + closes
	case r.IPv4 == firewall.KeepsOut && r.IPv6 == firewall.KeepsOut:
		return "blocked addresses are dropped; the rest of the firewall is your own rules in INPUT"
	}
	return on + ", the base rules are off, and your own rules in INPUT decide about some of the others; " + closes
}

// reception is what all backends together do with strangers, our base rules left out. A
// family that the kernel does without is as open as the other.
func reception(rules []KernelRules, f firewall.Family) firewall.Reception {
	all := firewall.LetsIn
	for _, k := range rules {
		saved := k.Saved[f]
		if saved.Absent() || saved.HasBase() {
			continue
		}
		switch r := saved.Reception(); {
		case r == firewall.KeepsOut:
			return r
		case r == firewall.Unclear:
			all = r
		}
	}
	return all
}
