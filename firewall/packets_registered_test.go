package firewall_test

import "testing"

// TestPacketsRegistered: SIP from a registered phone has no limits, whatever the packets contain, so
// that an office of many behind one address comes back at once. It gets in nowhere else, and bans and
// lists are stronger. Strangers beside it stay limited.
func TestPacketsRegistered(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.run(`create voip_known hash:ip timeout 0 maxelem 131072
create voip_known6 hash:ip family inet6 timeout 0 maxelem 131072
`, "ipset", "restore")
		settings := full()
		settings.KnownSets = [2]string{"voip_known", "voip_known6"}
		l.apply(settings)
		office, stranger := l.fresh(l.roamer), l.fresh(l.attacker)
		set := settings.KnownSets[l.family]
		l.run("", "ipset", "add", set, office.addr.String(), "timeout", "3600")
		const burst = 120 // more than the limit on answered flows in a second, and than 20 phones' requests
		for _, port := range []uint16{5060, 5061} {
			sent := l.burst(office, port, burst)
			if got := len(l.arrived(port)); got != sent {
				l.t.Errorf("%d of %d packets of a registered phone arrived at UDP %d", got, sent, port)
			}
			if l.many(stranger, port, burst) == burst {
				l.t.Errorf("all packets of a stranger arrived at UDP %d", port)
			}
		}
		for n := range 40 {
			if got := l.knock(office, "tcp", 5060); got != accepted {
				l.t.Errorf("TCP connection %d: %s", n+1, got)
			}
		}
		for _, c := range []struct {
			proto string
			port  uint16
			want  verdict
		}{{"tcp", 22, silent}, {"tcp", 10000, silent}, {"udp", 123, silent}, {"tcp", 80, accepted}, {"udp", 15000, accepted}} {
			if got := l.knock(office, c.proto, c.port); got != c.want {
				l.t.Errorf("%s %d: %s, want %s", c.proto, c.port, got, c.want)
			}
		}
		l.ban(office.addr)
		if got := l.knock(office, "udp", 5060); got != refused {
			l.t.Errorf("banned by fail2ban: %s", got)
		}
		other := l.fresh(l.roamer)
		l.run("", "ipset", "add", set, other.addr.String(), "timeout", "3600")
		l.block(other.addr)
		if got := l.knock(other, "udp", 5060); got != silent {
			l.t.Errorf("on a list: %s", got)
		}
		// Where SIP is not public, a phone that has registered before does not open it.
		settings.Base.SIPPublic = false
		l.apply(settings)
		third := l.fresh(l.roamer)
		l.run("", "ipset", "add", set, third.addr.String(), "timeout", "3600")
		if got := l.knock(third, "udp", 5060); got != silent {
			l.t.Errorf("SIP is not public: %s", got)
		}
		settings.Base.SIPPublic = true
		settings.KnownSets = [2]string{}
		l.apply(settings)
		if l.many(third, 5060, burst) == burst {
			l.t.Error("all packets arrived without the set")
		}
	})
}

// many sends requests, each in a flow of its own, and returns how many arrived.
func (l *lab) many(from caller, port uint16, n int) int {
	l.udpServer(port)
	for range n {
		l.sendFrom(from, port, "OPTIONS sip:pbx SIP/2.0")
	}
	return len(l.arrived(port))
}
