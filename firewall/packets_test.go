package firewall_test

import "testing"

// TestPacketsServices knocks at every port of the published ruleset, except SIP, from outside and from
// inside.
func TestPacketsServices(t *testing.T) {
	type door struct {
		name, proto     string
		port            uint16
		outside, inside verdict
	}
	doors := []door{
		{"below rtp", "udp", 9999, silent, silent},
		{"rtp", "udp", 10000, accepted, accepted},
		{"rtp", "udp", 15000, accepted, accepted},
		{"rtp", "udp", 20000, accepted, accepted},
		{"above rtp", "udp", 20001, silent, silent},
		{"rtp is not tcp", "tcp", 15000, silent, silent},
		{"below sip", "udp", 5059, silent, silent},
		{"above sip", "udp", 5062, silent, silent},
		{"above sip", "tcp", 5062, silent, silent},
		{"mgcp is not tcp", "tcp", 2727, silent, silent},
		{"iax2 is not tcp", "tcp", 4569, silent, silent},
		{"http is not udp", "udp", 80, silent, silent},
		{"mysql, that nobody opened", "tcp", 3306, silent, silent},
	}
	for _, s := range services {
		outside := map[bool]verdict{everyone: accepted, onlyLAN: silent}[s.Public]
		for _, p := range s.Ports {
			doors = append(doors, door{s.Name, s.Proto, p.First, outside, accepted})
		}
	}
	inEachLab(t, func(l *lab) {
		l.apply(full())
		shut := 0
		for _, d := range doors {
			for _, from := range []struct {
				name string
				caller
				want verdict
			}{
				{"outside", l.fresh(l.roamer), d.outside},
				{"the trunk", caller{l.trunk, l.addr(l.trunk)}, d.outside},
				{"the local network", l.fresh(l.phone), d.inside},
			} {
				if got := l.knock(from.caller, d.proto, d.port); got != from.want {
					l.t.Errorf("%s (%s %d) from %s: %s, want %s", d.name, d.proto, d.port, from.name, got, from.want)
				}
				if from.want == silent {
					shut++
				}
			}
		}
		if got := l.counted("nothing else"); got != shut {
			l.t.Errorf("the last DROP counted %d packets, and %d were dropped", got, shut)
		}
	})
}
