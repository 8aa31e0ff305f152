package firewall_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// firstDropped is the first REGISTER or INVITE of an address within a minute to be dropped. The rule that
// records comes before the one that counts to 12, so the twelfth counts itself.
const firstDropped = 12

// TestPacketsSIPFloods has sipp send more requests than a minute allows, but slower than the limit on
// packets: five a second, and six are allowed.
func TestPacketsSIPFloods(t *testing.T) {
	const sent = 15
	inEachLab(t, func(l *lab) {
		l.apply(full())
		floods := []struct {
			sipp
			caller
			arrive  int
			counter string
		}{
			{sipp{request: "REGISTER"}, l.fresh(l.attacker), firstDropped - 1, "sip: too many REGISTER in a minute"},
			{sipp{request: "INVITE"}, l.fresh(l.attacker), firstDropped - 1, "sip: too many INVITE in a minute"},
			{sipp{request: "OPTIONS"}, l.fresh(l.attacker), sent, ""},
			{sipp{request: "REGISTER"}, l.fresh(l.phone), sent, ""},
			{sipp{request: "INVITE"}, caller{l.trunk, l.addr(l.trunk)}, sent, ""},
		}
		for i := range floods {
			f := &floods[i]
			f.agent, f.calls, f.perSecond, f.port = "Phone", sent, 5, 5060
			f.start(l, f.caller)
		}
		for i := range floods {
			floods[i].wait(l)
		}
		packets := l.arrived(5060)
		for i := range floods {
			f := &floods[i]
			if got := l.calls(packets, f.caller); !slices.Equal(got, upTo(f.arrive)) {
				l.t.Errorf("%s from %s: numbers %d arrived, want the first %d", f.request, f.addr, got, f.arrive)
			}
			if f.counter == "" {
				continue
			}
			if got := l.counted(f.counter); got != sent-f.arrive {
				l.t.Errorf("%q counted %d packets, want %d", f.counter, got, sent-f.arrive)
			}
		}
		// An address that sent too many REGISTER is only shut out with those.
		for _, c := range []struct {
			text string
			want bool
		}{
			{"REGISTER sip:pbx SIP/2.0", false},
			{"INVITE sip:100@pbx SIP/2.0", true},
			{"OPTIONS sip:pbx SIP/2.0", true},
		} {
			l.sendFrom(floods[0].caller, 5060, c.text)
			got := slices.ContainsFunc(l.arrived(5060), func(d datagram) bool { return d.text == c.text })
			if got != c.want {
				l.t.Errorf("%q after too many REGISTER arrived: %v, want %v", c.text, got, c.want)
			}
		}
	})
}

// TestPacketsScanners has sipp use scanners' names, each once at both ports.
func TestPacketsScanners(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		icmp := l.listenICMP(l.attacker)
		calls := []struct {
			sipp
			caller
			want verdict
		}{
			{sipp{agent: "Phone", port: 5060}, l.fresh(l.attacker), accepted},
			{sipp{agent: "Phone", port: 5061}, l.fresh(l.attacker), accepted},
			{sipp{agent: "friendly-scanner", port: 5060}, l.fresh(l.attacker), refused},
			{sipp{agent: "friendly-scanner", port: 5061}, l.fresh(l.attacker), refused},
			{sipp{agent: "VaxSIPUserAgent", port: 5060}, l.fresh(l.attacker), silent},
			{sipp{agent: "VaxSIPUserAgent", port: 5061}, l.fresh(l.attacker), silent},
		}
		for i := range calls {
			c := &calls[i]
			c.request, c.calls, c.perSecond = "OPTIONS", 1, 5
			c.start(l, c.caller)
		}
		for i := range calls {
			calls[i].wait(l)
		}
		arrived := map[uint16][]datagram{5060: l.arrived(5060), 5061: l.arrived(5061)}
		unreachable := l.unreachable(icmp)
		for i := range calls {
			c := &calls[i]
			got := silent
			if len(l.calls(arrived[c.port], c.caller)) > 0 {
				got = accepted
			}
			if slices.ContainsFunc(unreachable, func(p packet) bool {
				return p.proto == "udp" && p.src.Addr() == c.addr && p.dst == netip.AddrPortFrom(l.pbx(), c.port)
			}) {
				if got == accepted {
					l.t.Errorf("%q at port %d got in and was told that it did not", c.agent, c.port)
				}
				got = refused
			}
			if got != c.want {
				l.t.Errorf("%q at port %d: %s, want %s", c.agent, c.port, got, c.want)
			}
		}
		for _, counter := range []string{"sip: a scanner", "sip: a scanner, told to go away", "sip for everyone, not too fast"} {
			if got := l.counted(counter); got != 2 {
				l.t.Errorf("the rule %q counted %d packets, want 2", counter, got)
			}
		}
	})
}

// TestPacketsSIPFloodOfANeighbour: each address counts separately, whichever family's rules the kernel had
// first. For lists of the same name, it keeps one, with the mask of the first rule.
func TestPacketsSIPFloodOfANeighbour(t *testing.T) {
	inEachLab(t, func(l *lab) {
		both := full().Wanted()
		l.applyTables(ruleset.Wanted{iptables.IPv4: both[iptables.IPv4]})
		l.applyTables(both)
		l.udpServer(5060)
		flooder, neighbour := l.fresh(l.attacker), l.fresh(l.attacker)
		for _, c := range []struct{ request, counter string }{
			{"REGISTER sip:pbx SIP/2.0", "sip: too many REGISTER in a minute"},
			{"INVITE sip:100@pbx SIP/2.0", "sip: too many INVITE in a minute"},
		} {
			for range firstDropped {
				l.sendFrom(flooder, 5060, c.request)
			}
			if got := l.counted(c.counter); got != 1 {
				l.t.Errorf("%q, %d times: %d were dropped as too many, want one", c.request, firstDropped, got)
			}
			l.sendFrom(neighbour, 5060, c.request)
			if got := l.counted(c.counter); got != 1 {
				l.t.Errorf("%q of a neighbour, once: it was dropped as too many", c.request)
			}
		}
	})
}
