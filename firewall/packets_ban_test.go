package firewall_test

import (
	"net/netip"
	"testing"
)

// TestPacketsBanned: a stranger whom fail2ban has banned from SIP is refused at once there, and let in
// elsewhere. The local network, a trunk and this host itself are let in all the same, since a forger can
// get anybody banned.
func TestPacketsBanned(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		outside, inside, trunk := l.fresh(l.attacker), l.fresh(l.phone), caller{l.trunk, l.addr(l.trunk)}
		for _, a := range []netip.Addr{outside.addr, inside.addr, trunk.addr, l.pbx()} {
			l.ban(a)
		}
		refusals := 0
		for _, c := range []struct {
			name string
			caller
			proto string
			port  uint16
			want  verdict
		}{
			{"outside", outside, "udp", 5060, refused},
			{"outside", outside, "udp", 5061, refused},
			{"outside", outside, "tcp", 5060, refused},
			{"outside", outside, "tcp", 5061, refused},
			{"outside", outside, "udp", 4569, accepted},
			{"outside", outside, "udp", 15000, accepted},
			{"outside", outside, "tcp", 80, accepted},
			{"outside", outside, "tcp", 22, silent},
			{"the local network", inside, "udp", 5060, accepted},
			{"the local network", inside, "udp", 5061, accepted},
			{"the local network", inside, "tcp", 5060, accepted},
			{"the local network", inside, "tcp", 5061, accepted},
			{"the local network", inside, "tcp", 22, accepted},
			{"the trunk", trunk, "udp", 5060, accepted},
			{"the trunk", trunk, "udp", 5061, accepted},
			{"the trunk", trunk, "tcp", 5060, accepted},
			{"the trunk", trunk, "tcp", 5061, accepted},
			{"the trunk", trunk, "tcp", 22, silent},
			{"somebody else outside", l.fresh(l.attacker), "udp", 5060, accepted},
			{"somebody else outside", l.fresh(l.attacker), "tcp", 5060, accepted},
			{"somebody else in the local network", l.fresh(l.phone), "udp", 5060, accepted},
		} {
			if got := l.knock(c.caller, c.proto, c.port); got != c.want {
				l.t.Errorf("%s %d, banned %s: %s, want %s", c.proto, c.port, c.name, got, c.want)
			}
			if c.want == refused {
				refusals++
			}
		}
		if got := l.counted("sip: banned by fail2ban"); got != refusals {
			l.t.Errorf("the rules about the banned counted %d packets, want %d", got, refusals)
		}
	})
}

// TestPacketsSSHChain puts rules into fail2ban's chain as fail2ban does. SSH is only for the local network,
// which is let in before the chain: an admin who has mistyped a password must not have to drive to the
// host.
func TestPacketsSSHChain(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		inside, outside := l.fresh(l.phone), l.fresh(l.roamer)
		for _, c := range []caller{inside, outside} {
			l.iptables("-A", "fail2ban-ssh", "-s", c.addr.String(), "-j", "REJECT")
		}
		l.apply(full())
		for _, c := range []struct {
			name string
			caller
			port uint16
			want verdict
		}{
			{"banned in the local network", inside, 22, accepted},
			{"banned in the local network, another port", inside, 10000, accepted},
			{"in the local network", l.fresh(l.phone), 22, accepted},
			{"banned outside", outside, 22, refused},
			{"banned outside, another port", outside, 80, accepted},
			{"outside", l.fresh(l.roamer), 22, silent},
		} {
			if got := l.knock(c.caller, "tcp", c.port); got != c.want {
				l.t.Errorf("tcp %d, %s: %s, want %s", c.port, c.name, got, c.want)
			}
		}
	})
}
