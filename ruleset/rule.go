package ruleset

import (
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Rule is one rule, in parts that can be reasoned about and rendered.
type Rule struct {
	For     string               // its purpose, without quotes or backslashes; becomes its comment
	In      string               // the interface that a packet comes in by; empty for any
	From    netip.Prefix         // the source; the zero Prefix for any
	Proto   string               // "tcp", "udp", "icmp", "ipv6-icmp"; empty for any
	Ports   []iptables.PortRange // destination ports; nil for any
	Multi   bool                 // use multiport for a single range too, as the published ruleset does
	Matches []string             // further matches, as iptables writes them
	Target  string               // "ACCEPT", "DROP", a chain …, with its options; empty to go on
}

// String returns the rule as iptables-save writes it, without "-A CHAIN".
func (r Rule) String() string {
	var words []string
	if r.From.IsValid() {
		words = append(words, "-s", r.From.String())
	}
	if r.In != "" {
		words = append(words, "-i", r.In)
	}
	if r.Proto != "" {
		words = append(words, "-p", r.Proto)
	}
	switch {
	case r.Multi, len(r.Ports) > 1:
		var lists []string
		for _, p := range r.Ports {
			lists = append(lists, dports(p))
		}
		words = append(words, "-m multiport --dports", strings.Join(lists, ","))
	case len(r.Ports) == 1: // cheaper than multiport
		words = append(words, "-m", r.Proto, "--dport", r.Ports[0].String())
	}
	words = append(words, r.Matches...)
	words = append(words, `-m comment --comment "`+iptables.CommentPrefix+r.For+`"`)
	if r.Target != "" {
		words = append(words, "-j", r.Target)
	}
	return strings.Join(words, " ")
}
