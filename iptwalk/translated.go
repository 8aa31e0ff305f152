package iptwalk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Translation is where nat sends packets.
type Translation struct {
	Share   Share      // of how many packets; for none or Unknown, the other fields are empty
	To      netip.Addr // invalid: another port of this host, or one of several hosts
	Local   bool       // this host, at another port
	ToPort  uint16     // 0: the port stays
	AnyPort bool       // it may be any of several
	Rule    string     // without "-A CHAIN"
	Chain   string
}

// translates reports whether a target sends all packets that reach it elsewhere.
func translates(target string) bool { return target == "DNAT" || target == "REDIRECT" }

// Translated returns what PREROUTING of nat does to packets to one port.
func (t *Tracer) Translated(p Packet) (to Translation) {
	if c := t.saved.Tables["nat"]["PREROUTING"]; c == nil || len(c.Rules) == 0 {
		return to
	}
	v := t.view(p.Source)
	of := packets{box: box{proto: p.Proto, dports: []PortRange{p.Ports}, in: p.In}, stranger: !p.Source.IsValid(), ends: true, here: p.Here}
	nat := &trace{view: v, passage: &passage{added: make(map[string][]box)}, packets: of, table: "nat", early: true}
	nat.walk("PREROUTING", way{box: of.box, share: AllOf}, 0)
	changed := t.others.Untracks || t.others.Marks || t.Affects(p.Source).Untracks
	for i, e := range nat.letIn {
		switch {
		case i == 0 && e.by.target == "ACCEPT" && e.sure && e.covers(of.box):
			return Translation{}
		case i > 0, !e.sure, !e.covers(of.box), !translates(e.by.target), changed, slices.Contains(e.by.options, "--random"):
			return Translation{Share: Unknown}
		}
		to = e.by.translation()
	}
	if v.cut() {
		return Translation{Share: Unknown}
	}
	return to
}

// translation returns what a rule of nat does to all packets that reach it.
func (a *asks) translation() (to Translation) {
	to = Translation{Share: AllOf, Rule: a.text, Chain: strings.Fields(a.line)[1]}
	text := iptables.Option(a.text, "--to-destination")
	if a.target == "REDIRECT" {
		text = ":" + iptables.Option(a.text, "--to-ports")
	}
	to.ToPort, to.AnyPort = destinationPort(text)
	if to.Local = strings.HasPrefix(text, ":"); !to.Local {
		to.To = destination(text)
	}
	if text == ":" { // the port stays
		to.ToPort, to.AnyPort = 0, false
	}
	return to
}

// NATPorts returns the ports that rules of nat ask for, by rule.
func NATPorts(s *iptables.Saved) (all [][]PortRange) {
	for chain := range s.Tables["nat"] {
		for _, r := range s.Rules("nat", chain) {
			if ports := readMatch(r.Text).dports; ports != nil {
				all = append(all, ports)
			}
		}
	}
	return all
}

// Translates reports whether PREROUTING of nat has a rule.
func Translates(s *iptables.Saved) bool { return len(s.Rules("nat", "PREROUTING")) > 0 }
