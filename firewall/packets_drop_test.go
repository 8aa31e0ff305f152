package firewall_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ruleset"
)

// The purposes of the rules that drop.
const (
	dropIn  = "drop what comes from blocked addresses"
	dropOut = "drop what goes to blocked addresses"
)

// everywhere are the places to drop at.
var everywhere = []ruleset.Place{ruleset.AtInput, ruleset.AtPrerouting}

// fullAt returns all base rules, with another place for the drop.
func fullAt(at ruleset.Place) ruleset.Settings {
	s := full()
	s.DropAt = at
	return s
}

// TestPacketsBlocked sends packets from blocked addresses to ports that are open to others, and once from
// the same address unblocked.
func TestPacketsBlocked(t *testing.T) {
	doors := []struct {
		proto string
		port  uint16
	}{
		{"udp", 5060}, {"udp", 5061}, {"tcp", 5060}, {"tcp", 5061},
		{"udp", 10000}, {"udp", 20000}, {"udp", 2727}, {"udp", 4569}, {"tcp", 80}, {"tcp", 443},
	}
	inEachLab(t, func(l *lab) {
		// Another program's rule, which was there first.
		l.iptables("-A", "INPUT", "-p", "udp", "--dport", "4569", "-j", "ACCEPT")
		for _, at := range everywhere {
			l.apply(fullAt(at))
			// Blocked alone, by a network, banned as well, in the local network, and as the trunk.
			alone, banned, phone, trunk := l.fresh(l.attacker), l.fresh(l.attacker), l.fresh(l.phone), caller{l.trunk, l.addr(l.trunk)}
			l.ban(banned.addr)
			network := netip.PrefixFrom(l.addr(l.roamer), [...]int{30, 120}[l.family]).Masked()
			listed := []fmt.Stringer{alone.addr, banned.addr, phone.addr, trunk.addr, network}
			for _, what := range listed {
				l.block(what)
			}
			knocks, before := 0, l.counted(dropIn)
			for _, d := range doors {
				for name, c := range map[string]caller{
					"an address": alone, "a banned address": banned, "a phone in the local network": phone,
					"the trunk": trunk, "an address in a network": {l.roamer, l.addr(l.roamer)},
				} {
					if got := l.knock(c, d.proto, d.port); got != silent {
						l.t.Errorf("%s: %s %d, blocked %s: %s, want %s", at, d.proto, d.port, name, got, silent)
					}
					knocks++
				}
			}
			conn := l.listenICMP(l.phone)
			l.ping(phone, 1)
			knocks++
			if got := l.counted(dropIn) - before; got != knocks {
				l.t.Errorf("%s: the rule counted %d packets of %d", at, got, knocks)
			}
			if got := l.knownBy(l.blockSet()); got != knocks {
				l.t.Errorf("%s: the set counted %d packets of %d", at, got, knocks)
			}
			if l.replied(conn, 1) {
				l.t.Errorf("%s: a ping of a blocked address was answered", at)
			}
			for _, what := range listed {
				l.unblock(what)
			}
			l.run("", "ipset", "del", l.banSet(), banned.addr.String())
			for _, d := range doors {
				for _, c := range []caller{alone, banned} {
					if got := l.knock(c, d.proto, d.port); got != accepted {
						l.t.Errorf("%s: %s %d, no longer blocked: %s, want %s", at, d.proto, d.port, got, accepted)
					}
				}
			}
		}
	})
}

// TestPacketsBlockedFlows blocks an address with existing flows, begun by either side: none goes on. When
// it is unblocked, they do.
func TestPacketsBlockedFlows(t *testing.T) {
	inEachLab(t, func(l *lab) {
		for _, at := range everywhere {
			l.apply(fullAt(at))
			from := l.fresh(l.attacker)
			flows := l.flows(from)
			l.block(from.addr)
			before := l.counted(dropIn)
			texts := make([]string, len(flows))
			for i, f := range flows {
				texts[i] = l.token()
				l.send(f.outside, texts[i])
			}
			if got := l.counted(dropIn) - before; got < len(flows) { // TCP sends again
				l.t.Errorf("%s: the rule counted %d packets of %d flows", at, got, len(flows))
			}
			for _, f := range flows {
				if text, err := testns.Pending(f.inside); !errors.Is(err, unix.EAGAIN) {
					l.t.Errorf("%s: %s goes on: %q, %v", at, f.name, text, err)
				}
			}
			l.unblock(from.addr)
			for i, f := range flows {
				if f.udp { // what was dropped is lost
					texts[i] = l.token()
					l.send(f.outside, texts[i])
				}
				l.expect(f.inside, texts[i])
			}
		}
	})
}

// flow is a conversation in progress.
type flow struct {
	name            string
	udp             bool
	inside, outside end
}

// end is a socket that can also be asked for pending errors.
type end interface {
	net.Conn
	syscall.Conn
}

// flows begins one flow of each kind between a host and the PBX host.
func (l *lab) flows(c caller) []flow {
	l.t.Helper()
	server, client := l.udpServer(4569), l.dialUDP(c, 4569)
	l.t.Cleanup(func() { client.Close() })
	token := l.token()
	l.send(client, token)
	if !l.answer(4569, token) {
		l.t.Fatal("the first packet did not arrive")
	}
	l.expect(client, token)

	l.tcpServer(80)
	a := l.connect(c, 80)
	defer a.close()
	conns := l.connected(80)
	if len(conns) != 1 {
		l.t.Fatalf("%d connections stand, want one", len(conns))
	}
	in, out := conns[0], l.established(a)
	l.t.Cleanup(func() { in.Close(); out.Close() })
	l.exchange(in, out)

	here, there := l.callOut(c)
	hereTCP, thereTCP := l.callOutTCP(c)
	return []flow{
		{"UDP to the PBX host", true, server, client},
		{"TCP to the PBX host", false, in.(end), out.(end)},
		{"UDP from the PBX host", true, here, there},
		{"TCP from the PBX host", false, hereTCP.(end), thereTCP.(end)},
	}
}

// TestPacketsOwnBans sends packets from addresses that this host has banned: alone, by a network, with an
// end, and after unban.
func TestPacketsOwnBans(t *testing.T) {
	const dropBanned = "drop what comes from banned addresses"
	inEachLab(t, func(l *lab) {
		set := [...]string{"voip_ban", "voip_ban6"}[l.family]
		for _, at := range everywhere {
			s := fullAt(at)
			s.DropOutbound = true
			l.apply(s)
			alone, phone := l.fresh(l.attacker), l.fresh(l.phone)
			network := netip.PrefixFrom(l.addr(l.roamer), [...]int{30, 64}[l.family]).Masked()
			out, _ := l.callOut(alone)
			for _, what := range []fmt.Stringer{alone.addr, phone.addr, network} {
				l.run("", "ipset", "add", set, what.String(), "timeout", "600")
			}
			knocks, before := 0, l.counted(dropBanned)
			for _, proto := range []string{"udp", "tcp"} {
				for name, c := range map[string]caller{"an address": alone, "a phone": phone, "an address in a network": {l.roamer, l.addr(l.roamer)}} {
					if got := l.knock(c, proto, 5060); got != silent {
						l.t.Errorf("%s: %s, banned %s: %s, want %s", at, proto, name, got, silent)
					}
					knocks++
				}
			}
			if got := l.counted(dropBanned) - before; got != knocks {
				l.t.Errorf("%s: the rule counted %d packets of %d", at, got, knocks)
			}
			if got := l.knownBy(set); got != knocks {
				l.t.Errorf("%s: the set counted %d packets of %d", at, got, knocks)
			}
			// Packets to there are dropped too, and do not count.
			if _, err := out.Write([]byte("x")); err == nil {
				if got := l.counted("drop what goes to banned addresses"); got == 0 {
					l.t.Errorf("%s: a packet to a banned address went out", at)
				}
			}
			l.run("", "ipset", "flush", set)
			for _, c := range []caller{alone, phone} {
				if got := l.knock(c, "udp", 5060); got != accepted {
					l.t.Errorf("%s: no longer banned: %s, want %s", at, got, accepted)
				}
			}
		}
	})
}
