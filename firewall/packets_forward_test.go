package firewall_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsForwarded has the PBX host forward, as one with containers does. Packets that a blocked address
// sends through it are dropped only in PREROUTING.
func TestPacketsForwarded(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.star.Forward()
		blocked, clean := l.fresh(l.attacker), l.fresh(l.attacker)
		l.block(blocked.addr)
		to := l.listen(l.fresh(l.phone))
		for _, c := range []struct {
			at   ruleset.Place
			from caller
			want bool
		}{
			{ruleset.AtInput, blocked, true},
			{ruleset.AtInput, clean, true},
			{ruleset.AtPrerouting, blocked, false},
			{ruleset.AtPrerouting, clean, true},
		} {
			l.apply(fullAt(c.at))
			before := l.counted(dropIn)
			if got := l.passes(c.from, to); got != c.want {
				l.t.Errorf("drop at %s, a packet from %s: passes %v, want %v", c.at, c.from.addr, got, c.want)
			}
			if dropped := l.counted(dropIn) - before; dropped != map[bool]int{true: 0, false: 1}[c.want] {
				l.t.Errorf("drop at %s, a packet from %s: the rule counted %d", c.at, c.from.addr, dropped)
			}
			// To the PBX host itself, nothing from the blocked address ever gets through.
			want := map[bool]verdict{true: silent, false: accepted}[c.from == blocked]
			if got := l.knock(c.from, "udp", 4569); got != want {
				l.t.Errorf("drop at %s, to the PBX host from %s: %s, want %s", c.at, c.from.addr, got, want)
			}
		}
	})
}

// TestPacketsOutbound sends to a blocked address. The set counts packets from there, not packets to it.
func TestPacketsOutbound(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.star.Forward()
		blocked := l.fresh(l.attacker)
		l.block(blocked.addr)
		to, other := l.listen(blocked), l.listen(l.fresh(l.attacker))
		for _, at := range everywhere {
			for _, outbound := range []bool{false, true} {
				settings := fullAt(at)
				settings.DropOutbound = outbound
				l.apply(settings)
				for _, c := range []struct {
					name string
					from caller
					want bool
				}{
					{"the PBX host", caller{nil, l.pbx()}, !outbound},
					{"the local network", l.fresh(l.phone), !outbound || at == ruleset.AtInput},
				} {
					if got := l.passes(c.from, to); got != c.want {
						l.t.Errorf("drop at %s, outbound %v: from %s to a blocked address: passes %v, want %v", at, outbound, c.name, got, c.want)
					}
					if !l.passes(c.from, other) {
						l.t.Errorf("drop at %s, outbound %v: from %s to another address: does not pass", at, outbound, c.name)
					}
				}
				if got := l.knownBy(l.blockSet()); got != 0 {
					l.t.Errorf("drop at %s, outbound %v: the set counted %d packets of ours", at, outbound, got)
				}
			}
			if dropped, want := l.counted(dropOut), map[ruleset.Place]int{ruleset.AtInput: 1, ruleset.AtPrerouting: 2}[at]; dropped != want {
				l.t.Errorf("drop at %s: the rules counted %d packets, want %d", at, dropped, want)
			}
		}
		l.knock(blocked, "udp", 4569)
		if got := l.knownBy(l.blockSet()); got != 1 {
			l.t.Errorf("the set counted %d packets of one knock", got)
		}
	})
}

// listen opens a UDP server on a host.
func (l *lab) listen(c caller) *net.UDPConn {
	l.t.Helper()
	var server *net.UDPConn
	var err error
	c.host.Do(func() { server, err = net.ListenUDP("udp", udpAddr(c.addr, 4000)) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { server.Close() })
	return server
}

// passes sends a packet from a host, or from the PBX host, to another host's server and reports whether it
// arrived. A packet from the server's own host follows, which shows that nothing more will come.
func (l *lab) passes(from caller, to *net.UDPConn) bool {
	l.t.Helper()
	dial := func() (*net.UDPConn, error) {
		return net.DialUDP("udp", udpAddr(from.addr, 0), to.LocalAddr().(*net.UDPAddr))
	}
	var client *net.UDPConn
	var err error
	if from.host == nil {
		client, err = dial()
	} else {
		from.host.Do(func() { client, err = dial() })
	}
	if err != nil {
		l.t.Fatal(err)
	}
	defer client.Close()
	token := l.token()
	// If a packet is dropped on its way out, the sender gets an error.
	_, err = client.Write([]byte(token))
	refusedHere := errors.Is(err, unix.EPERM)
	if err != nil && !refusedHere {
		l.t.Fatal(err)
	}
	last := l.token()
	if _, err := to.WriteTo([]byte(last), to.LocalAddr()); err != nil {
		l.t.Fatal(err)
	}
	if err := to.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	arrived := false
	buf := make([]byte, 2048)
	for {
		n, err := to.Read(buf)
		if err != nil {
			l.t.Fatal(err)
		}
		switch string(buf[:n]) {
		case token:
			arrived = true
		case last:
			if arrived && refusedHere {
				l.t.Error("a packet arrived that its sender was told not to send")
			}
			return arrived
		}
	}
}
