package ruleset

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// The sets that fail2ban fills. Their names are those of the published ruleset, which the base
// rules follow, and for IPv6 of fail2ban's own defaults (action.d/iptables-ipset*.conf appends
// a 6).
const (
	BanSet  = "fail2ban-ASTERISK"
	BanSet6 = "fail2ban-ASTERISK6"
)

// BanSetName returns the name of the set of addresses that fail2ban has banned from SIP.
func BanSetName(f iptables.Family) string { return [...]string{BanSet, BanSet6}[f] }

// sshPorts returns the ports for which fail2ban's SSH chain is used: those of the service named
// ssh.
func (b Base) sshPorts() []iptables.PortRange {
	for _, s := range b.Services {
		if s.Name == "ssh" && s.Proto == "tcp" {
			return s.Ports
		}
	}
	return []iptables.PortRange{{First: 22, Last: 22}}
}

// Rules returns the base rules, in the order of the published ruleset that they follow
// ("Protecting your Asterisk / FreePBX Server using a host Firewall"). Where that has one rule for
// the local network or the provider, there is one for each here. If SIP is not public, its rules
// for everyone are left out, as that page's third note says. IPv6 has the same rules, and besides
// the ICMP rule those that IPv6 cannot work without.
//
// The page's rules keep their text and order. Added rules stand between them, and their purpose
// begins with [addition].
func (b Base) Rules(f iptables.Family) []Rule {
	lan, trunks := f.Of(b.LocalNetworks), f.Of(b.Trunks)
	head, middle, tail := b.serviceBlocks()
	return slices.Concat(
		b.friends(f),
		b.banned(f),
		b.registered(f),
		[]Rule{{For: "everything on this host itself", In: "lo", Target: "ACCEPT"}},
		[]Rule{{For: "rtp: voice and video", Proto: "udp", Ports: []iptables.PortRange{b.RTP}, Target: "ACCEPT"}},
		open(head, lan),
		sipFrom(lan, "sip from the local network", b.SIP, "udp", "tcp"),
		sipFrom(trunks, "sip from a trunk", b.SIP, "udp"),
		b.publicSIP(f),
		neighbours(f),
		icmpFrom(f, lan),
		open(middle, lan),
		[]Rule{{For: "answers to what this host has begun", Matches: []string{"-m state --state RELATED,ESTABLISHED"}, Target: "ACCEPT"}},
		open(tail, lan),
		[]Rule{{For: "nothing else", Target: "DROP"}},
	)
}

// chains returns the base rules as chains: the one that INPUT ends in, and those that it jumps
// to.
func (b Base) chains(f iptables.Family) []iptables.Chain {
	chains := []iptables.Chain{chainOf(iptables.BaseChain, b.Rules(f))}
	if b.SIPPublic {
		chains = append(chains, chainOf(iptables.SIPChain, b.unusual(f)))
	}
	return chains
}

// serviceBlocks divides the services as the published ruleset does: the first ones for everyone
// (MGCP, IAX2) come before SIP, those after the last one for everyone (syslog) come after the
// established connections. The block of a service does not change who may reach it.
func (b Base) serviceBlocks() (head, middle, tail []Service) {
	isLocal := func(s Service) bool { return !s.Public }
	first := slices.IndexFunc(b.Services, isLocal)
	if first < 0 {
		return b.Services, nil, nil
	}
	last := len(b.Services)
	for last > first && isLocal(b.Services[last-1]) {
		last--
	}
	return b.Services[:first], b.Services[first:last], b.Services[last:]
}

// banned returns the rules for addresses that fail2ban has banned.
func (b Base) banned(f iptables.Family) []Rule {
	var rules []Rule
	for _, proto := range []string{"udp", "tcp"} {
		rules = append(rules, Rule{
			For: "sip: banned by fail2ban", Proto: proto, Ports: b.SIP, Multi: true,
			Matches: []string{"-m set --match-set " + BanSetName(f) + " src"},
			Target:  reject(f),
		})
	}
	return append(rules, Rule{For: "ssh: banned by fail2ban", Proto: "tcp", Ports: b.sshPorts(), Multi: true, Target: iptables.SSHChain})
}

// reject returns the answer that a closed UDP port gives.
func reject(f iptables.Family) string {
	return "REJECT --reject-with " + [...]string{"icmp-port-unreachable", "icmp6-port-unreachable"}[f]
}

// open makes one rule for each port of each service, or one for a protocol without ports. For a
// service that is not public, it makes each of these for each local network.
func open(services []Service, lan []netip.Prefix) []Rule {
	var rules []Rule
	for _, s := range services {
		for _, ports := range s.portLists() {
			r := Rule{For: s.Name + " for everyone", Proto: iptables.ProtocolOf(s.Proto), Ports: ports, Target: "ACCEPT"}
			if s.Public {
				rules = append(rules, r)
				continue
			}
			for _, n := range lan {
				r.For, r.From = s.Name+" from the local network", n
				rules = append(rules, r)
			}
		}
	}
	return rules
}

func sipFrom(networks []netip.Prefix, purpose string, ports Ports, protos ...string) []Rule {
	var rules []Rule
	for _, proto := range protos {
		for _, n := range networks {
			rules = append(rules, Rule{For: purpose, From: n, Proto: proto, Ports: ports, Target: "ACCEPT"})
		}
	}
	return rules
}

// searchEnd makes a search cover all of a packet. Asterisk ignores case, and so does the
// search.
const searchEnd = "--algo bm --to 65535 --icase"

// publicSIP returns the rules for SIP from everywhere.
func (b Base) publicSIP(f iptables.Family) []Rule {
	if !b.SIPPublic {
		return nil
	}
	with := func(word, purpose, target string, more ...string) Rule {
		search := `-m string --string "` + word + `" ` + searchEnd
		return Rule{For: purpose, Proto: "udp", Ports: b.SIP, Matches: append([]string{search}, more...), Target: target}
	}
	limited := func(request string, list [2]string) []Rule {
		return []Rule{
			with(request+" sip:", "sip: remember who sends "+request, "", "-m recent --set"+inList(f, list)),
			with(request+" sip:", "sip: too many "+request+" in a minute", "DROP", "-m recent --update "+recentLimit+" --rttl"+inList(f, list)),
		}
	}
	return slices.Concat(
		[]Rule{
			with("User-Agent: VaxSIPUserAgent", "sip: a scanner", "DROP"),
			with("User-Agent: friendly-scanner", "sip: a scanner, told to go away", reject(f)),
			{For: addition + "sip: unusual requests count as REGISTER", Proto: "udp", Ports: b.SIP, Target: iptables.SIPChain},
		},
		limited("REGISTER", registers),
		limited("INVITE", invites),
		b.answered(f),
		[]Rule{
			{For: "sip for everyone, not too fast", Proto: "tcp", Ports: b.SIP, Matches: []string{packetLimit[f]}, Target: "ACCEPT"},
			{For: "sip for everyone, not too fast", Proto: "udp", Ports: b.SIP, Matches: []string{packetLimit[f]}, Target: "ACCEPT"},
		},
	)
}

// linkLocal is the network that routers and neighbours send from (RFC 4291 section 2.5.6).
var linkLocal = netip.MustParsePrefix("fe80::/10")

// neighbours returns the rules without which an IPv6 host cannot be reached. In IPv4 these
// packets are not IP (ARP) or are not filtered (DHCP clients read packets before the rules). The
// kernel itself refuses forwarded neighbour discovery (RFC 4861: hop limit 255).
func neighbours(f iptables.Family) []Rule {
	if f == iptables.IPv4 {
		return nil
	}
	discovery := func(typ, purpose string) Rule {
		return Rule{For: purpose, Proto: "ipv6-icmp", Matches: []string{"-m icmp6 --icmpv6-type " + typ}, Target: "ACCEPT"}
	}
	queries := discovery("130", "switches ask who listens to multicast") // RFC 2710, RFC 3810
	queries.From = linkLocal
	return []Rule{
		discovery("133", "neighbour discovery: router solicitation"), // RFC 4861
		discovery("134", "neighbour discovery: router advertisement"),
		discovery("135", "neighbour discovery: solicitation"),
		discovery("136", "neighbour discovery: advertisement"),
		queries,
		{For: "addresses by DHCPv6", From: linkLocal, Proto: "udp", Matches: []string{"-m udp --sport 547 --dport 546"}, Target: "ACCEPT"}, // RFC 8415 section 7.2
	}
}

func icmpFrom(f iptables.Family, networks []netip.Prefix) []Rule {
	proto := [...]string{"icmp", "ipv6-icmp"}[f]
	var rules []Rule
	for _, n := range networks {
		rules = append(rules, Rule{For: "ping and other icmp from the local network", From: n, Proto: proto, Target: "ACCEPT"})
	}
	return rules
}
