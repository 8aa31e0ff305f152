package firewall_test

import (
	"testing"

	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsTrustedSIP: SIP from the local network and from the trunk has no limits, whatever the packets
// contain. If SIP is not public, only they get in.
func TestPacketsTrustedSIP(t *testing.T) {
	inEachLab(t, func(l *lab) {
		public, private := full(), full()
		private.Base.SIPPublic = false
		trunk := caller{l.trunk, l.addr(l.trunk)}
		for _, settings := range []ruleset.Settings{public, private} {
			l.apply(settings)
			for _, c := range []struct {
				name string
				caller
				port uint16
			}{
				{"trunk", trunk, 5060},
				{"trunk", trunk, 5061},
				{"phone in the local network", l.fresh(l.phone), 5060},
				{"phone in the local network", l.fresh(l.phone), 5061},
			} {
				sent := l.burst(c.caller, c.port, 40)
				if got := len(l.arrived(c.port)); got != sent {
					l.t.Errorf("public %v: %d of %d packets arrived at UDP %d from %s", settings.Base.SIPPublic, got, sent, c.port, c.name)
				}
			}
			for name, c := range map[string]caller{"the local network": l.fresh(l.phone), "the trunk": trunk} {
				for n := range 40 {
					if got := l.knock(c, "tcp", 5060); got != accepted {
						l.t.Errorf("public %v: TCP connection %d from %s: %s", settings.Base.SIPPublic, n+1, name, got)
					}
				}
			}
		}
		// Private is what is in force now.
		for _, c := range []struct {
			name string
			caller
			proto string
			port  uint16
			want  verdict
		}{
			{"outside", l.fresh(l.roamer), "udp", 5060, silent},
			{"outside", l.fresh(l.roamer), "udp", 5061, silent},
			{"outside", l.fresh(l.roamer), "tcp", 5060, silent},
			{"outside", l.fresh(l.roamer), "tcp", 5061, silent},
			{"the trunk", trunk, "tcp", 5061, accepted},
			{"the trunk, to another port", trunk, "tcp", 22, silent},
			{"beside the trunk", l.fresh(l.trunk), "udp", 5060, silent},
			{"outside, as ever", l.fresh(l.roamer), "udp", 4569, accepted},
		} {
			if got := l.knock(c.caller, c.proto, c.port); got != c.want {
				l.t.Errorf("not public: %s %d from %s: %s, want %s", c.proto, c.port, c.name, got, c.want)
			}
		}
	})
}
