package ruleset

import (
	"fmt"

	"github.com/voipbl/voipbl/iptables"
)

// The limits of the published ruleset for SIP from everywhere, by family. A list of xt_recent or a
// table of xt_hashlimit keeps the mask of the rule that created it for as long as a rule names it,
// even while rules are replaced. So each mask needs its own name. IPv6 counts by /64, since each
// customer of a provider has at least one, with more addresses than anybody can count.
var (
	registers = [2]string{"VOIP", "VOIP64"}
	invites   = [2]string{"VOIPINV", "VOIPINV64"}
	listMask  = [2]string{"255.255.255.255", "ffff:ffff:ffff:ffff::"}

	// packetLimit allows each source 6 packets a second on each port, and 5 at once.
	packetLimit = [2]string{
		"-m hashlimit --hashlimit-upto 6/sec --hashlimit-burst 5 --hashlimit-mode srcip,dstport --hashlimit-name tunnel_limit",
		"-m hashlimit --hashlimit-upto 6/sec --hashlimit-burst 5 --hashlimit-mode srcip,dstport --hashlimit-srcmask 64 --hashlimit-name tunnel_limit64",
	}

	// flowLimit allows each source ten times as much, and 300 at once, in flows that the PBX has
	// answered. That is enough for a phone's 50 lamps and their answers at once, and still slows
	// down a password guesser. Which side began a flow does not matter: by choosing a Via, anybody
	// can make the PBX begin one to them.
	flowLimit = [2]string{
		"-m hashlimit --hashlimit-upto 60/sec --hashlimit-burst 300 --hashlimit-mode srcip --hashlimit-name voipbl_flows",
		"-m hashlimit --hashlimit-upto 60/sec --hashlimit-burst 300 --hashlimit-mode srcip --hashlimit-srcmask 64 --hashlimit-name voipbl_flows64",
	}
)

// recentLimit matches a source's twelfth request of one kind in a minute, and those after it. The
// kernel keeps 20 time stamps for each source (xt_recent's ip_pkt_list_tot), so the count could be
// at most 20.
const recentLimit = "--seconds 60 --hitcount 12"

// inList returns the options for a list of xt_recent.
func inList(f iptables.Family, list [2]string) string {
	return " --name " + list[f] + " --mask " + listMask[f] + " --rsource"
}

// established matches a flow in which both sides have sent something.
const established = "-m conntrack --ctstate ESTABLISHED"

// answered returns the rules for flows that the PBX has answered. In the published ruleset, its
// rule for established connections accepts these, without a limit.
func (b Base) answered(f iptables.Family) []Rule {
	var rules []Rule
	for _, proto := range []string{"tcp", "udp"} {
		from := Rule{Proto: proto, Ports: b.SIP}
		let, stop := from, from
		let.For, let.Matches, let.Target = addition+"sip that the PBX has answered, not too fast", []string{established, flowLimit[f]}, "ACCEPT"
		stop.For, stop.Matches, stop.Target = addition+"sip that the PBX has answered, too fast", []string{established}, "DROP"
		rules = append(rules, let, stop)
	}
	return rules
}

// beginnings are how packets of phones begin: a response, or a request.
var beginnings = []string{
	"SIP/2.0 ", "REGISTER sip:", "ACK sip:", "OPTIONS sip:", "INVITE sip:", "SUBSCRIBE sip:", "NOTIFY sip:", "BYE sip:",
	"CANCEL sip:", "INFO sip:", "PRACK sip:", "UPDATE sip:", "MESSAGE sip:", "REFER sip:", "PUBLISH sip:",
}

// payload is the offset of a UDP packet's payload, from the IP header, by family. In a packet with
// IP options or extension headers it is elsewhere, so that packet matches none of beginnings.
var payload = [2]int{20 + 8, 40 + 8}

// unusual counts each request that does not begin as phones begin them as a REGISTER. Asterisk
// accepts many such forms: extra blanks, tabs, a line folded after the method, blank lines before
// it, "sips:", "tel:", methods cut short or unknown (which ask for a password like others). So
// the rules list what is let through, not what is counted. REGISTER and INVITE that begin as usual
// are left to the published rules.
//
// Two options of the search matter. The algorithm kmp finds a request that is split over several
// fragments, bm does not (iptables-extensions(8)). And --to is where a match may begin on kernels
// before 6.8, and where it has to end on others.
func (b Base) unusual(f iptables.Family) []Rule {
	var rules []Rule
	for _, begin := range beginnings {
		match := fmt.Sprintf(`-m string --string "%s" --algo bm --from %d --to %d --icase`, begin, payload[f], payload[f]+len(begin))
		rules = append(rules, Rule{For: addition + "sip that begins as usual", Matches: []string{match}, Target: "RETURN"})
	}
	return append(rules,
		Rule{For: addition + "REGISTER, which is counted below", Matches: []string{`-m string --string "REGISTER sip:" ` + searchEnd}, Target: "RETURN"},
		Rule{For: addition + "what is no request, such as a keep-alive", Matches: []string{`-m string ! --string "sip" --algo kmp --to 65535 --icase`}, Target: "RETURN"},
		Rule{For: addition + "sip: remember who sends unusual requests", Matches: []string{"-m recent --set" + inList(f, registers)}},
		Rule{For: addition + "sip: too many unusual requests in a minute", Matches: []string{"-m recent --update " + recentLimit + inList(f, registers)}, Target: "DROP"},
	)
}
