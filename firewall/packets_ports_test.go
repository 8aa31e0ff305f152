package firewall_test

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsSIPList has SIP on two ports far from each other: both are as open, and as limited, as a range,
// and the ports between them are closed.
func TestPacketsSIPList(t *testing.T) {
	inEachLab(t, func(l *lab) {
		s := full()
		s.Base.SIP = ruleset.Ports{{First: 5060, Last: 5060}, {First: 5160, Last: 5161}}
		l.apply(s)
		outside, inside, trunk, banned := l.fresh(l.roamer), l.fresh(l.phone), caller{l.trunk, l.addr(l.trunk)}, l.fresh(l.attacker)
		l.ban(banned.addr)
		l.ban(inside.addr)
		l.ban(trunk.addr)
		for _, c := range []struct {
			name string
			caller
			port uint16
			want verdict
		}{
			{"outside", outside, 5060, accepted},
			{"outside", outside, 5061, silent},
			{"outside", outside, 5159, silent},
			{"outside", outside, 5160, accepted},
			{"outside", outside, 5161, accepted},
			{"outside", outside, 5162, silent},
			{"banned", banned, 5060, refused},
			{"banned", banned, 5160, refused},
			{"banned", banned, 5161, refused},
			{"in the local network, banned", inside, 5060, accepted},
			{"in the local network, banned", inside, 5160, accepted},
			{"in the local network, banned", inside, 5100, silent},
			{"the trunk, banned", trunk, 5060, accepted},
			{"the trunk, banned", trunk, 5161, accepted},
			{"the trunk, banned", trunk, 5100, silent},
		} {
			for _, proto := range []string{"udp", "tcp"} {
				if got := l.knock(c.caller, proto, c.port); got != c.want {
					l.t.Errorf("%s, %s %d: %s, want %s", c.name, proto, c.port, got, c.want)
				}
			}
		}

		// Requests count over all ports together, however they are written.
		for _, c := range []struct{ text, counter string }{
			{"REGISTER sip:pbx SIP/2.0", "sip: too many REGISTER in a minute"},
			{"INVITE sip:100@pbx SIP/2.0", "sip: too many INVITE in a minute"},
			{"REGISTER  sip:pbx SIP/2.0", "sip: too many unusual requests in a minute"},
		} {
			flooder := l.fresh(l.attacker)
			for n := range firstDropped {
				l.sendFrom(flooder, []uint16{5160, 5060, 5161}[n%3], c.text)
			}
			purpose := c.counter
			if !slices.Contains([]string{"REGISTER sip:pbx SIP/2.0", "INVITE sip:100@pbx SIP/2.0"}, c.text) {
				purpose = "added: " + purpose
			}
			if got := l.counted(purpose); got != 1 {
				l.t.Errorf("%q, %d times at three ports: %d were dropped as too many, want one", c.text, firstDropped, got)
			}
		}
	})
}
