package ruleset

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// addition begins the purpose of a rule that the published ruleset does not have.
const addition = "added: "

// friends returns the rules that let local networks and trunks in before fail2ban's bans and the
// limits apply: neither a misconfigured phone nor somebody who forges a provider's address must
// cost the host its telephone service. The published ruleset lets them in too, but only below its
// bans. Beyond the published ruleset, a trunk may use TCP.
func (b Base) friends(f iptables.Family) []Rule {
	lan, trunks := f.Of(b.LocalNetworks), f.Of(b.Trunks)
	rules := slices.Concat(
		[]Rule{{For: "this host itself, also if fail2ban has banned it", In: "lo", Target: "ACCEPT"}},
		sipFrom(lan, "sip from the local network, also if fail2ban has banned it", b.SIP, "udp", "tcp"),
		sipFrom(trunks, "sip from a trunk, also if fail2ban has banned it", b.SIP, "udp", "tcp"),
		b.sshFrom(lan),
	)
	for i := range rules {
		rules[i].For = addition + rules[i].For
	}
	return rules
}

// sshFrom lets networks in at the SSH ports that the services open for them. It opens nothing
// else.
func (b Base) sshFrom(networks []netip.Prefix) []Rule {
	var rules []Rule
	for _, s := range b.Services {
		if s.Name != "ssh" || s.Proto != "tcp" {
			continue
		}
		for _, n := range networks {
			rules = append(rules, Rule{For: "ssh from the local network, also if fail2ban has banned it", From: n, Proto: "tcp", Ports: s.Ports, Multi: true, Target: "ACCEPT"})
		}
	}
	return rules
}

// registered returns the rules that let registered phones in before the limits. They come after
// those for fail2ban's bans: a ban is stronger than a password. Without a limit, so that an office
// of many phones behind one address comes back at once after a power cut.
func (b Base) registered(f iptables.Family) []Rule {
	if b.Known[f] == "" || !b.SIPPublic {
		return nil
	}
	var rules []Rule
	for _, proto := range []string{"udp", "tcp"} {
		rules = append(rules, Rule{
			For: addition + "sip from a registered phone, without limits", Proto: proto, Ports: b.SIP,
			Matches: []string{"-m set --match-set " + b.Known[f] + " src"}, Target: "ACCEPT",
		})
	}
	return rules
}
