package firewall_test

import (
	"net"
	"testing"
	"time"
)

// The limit on packets from one address to one SIP port.
const (
	limitBurst     = 5
	limitPerSecond = 6
	limitInterval  = time.Second / limitPerSecond
)

// mayFollow returns how many packets the limit may have let in after its burst.
func mayFollow(begin time.Time) int { return 1 + int(time.Since(begin)/limitInterval) }

// TestPacketsLimit: the limit on packets in flows that are not answered yet.
func TestPacketsLimit(t *testing.T) {
	const sent = 40
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.udpServer(5060)
		l.tcpServer(5060)

		fast, begin := l.fresh(l.attacker), time.Now()
		for range sent { // each is a flow of its own
			l.sendFrom(fast, 5060, "OPTIONS sip:pbx SIP/2.0")
		}
		most := limitBurst + mayFollow(begin)
		if got := len(l.arrived(5060)); got < limitBurst || got > most {
			l.t.Errorf("UDP: %d of %d packets at once arrived, want %d to %d", got, sent, limitBurst, most)
		}
		// Others are not slowed down, and another port counts separately.
		for _, c := range []struct {
			name string
			caller
			proto string
			port  uint16
		}{
			{"somebody else", l.fresh(l.attacker), "udp", 5060},
			{"somebody else", l.fresh(l.attacker), "tcp", 5060},
			{"another port", fast, "udp", 5061},
			{"another service", fast, "udp", 4569},
		} {
			if got := l.knock(c.caller, c.proto, c.port); got != accepted {
				l.t.Errorf("%s, %s %d: %s", c.name, c.proto, c.port, got)
			}
		}

		// A TCP connection takes one of the burst, for the client's SYN. The rest belongs to a
		// connection, which may have more.
		fast, begin = l.fresh(l.attacker), time.Now()
		for range sent {
			defer l.connect(fast, 5060).close()
		}
		most = limitBurst + mayFollow(begin)
		conns := l.connected(5060)
		for _, c := range conns {
			defer c.Close()
		}
		if got := len(conns); got < limitBurst || got > most {
			l.t.Errorf("TCP: %d of %d connections at once stand, want %d to %d", got, sent, limitBurst, most)
		}
	})
}

// TestPacketsLimitOfBoth: UDP and TCP to the same port count together.
func TestPacketsLimitOfBoth(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.udpServer(5060)
		// Finish before the limit lets one more in.
		for range 20 {
			both, begin := l.fresh(l.attacker), time.Now()
			client := l.dialUDP(both, 5060)
			defer client.Close()
			for range limitBurst {
				l.send(client, "OPTIONS sip:pbx SIP/2.0")
			}
			got := l.knock(both, "tcp", 5060)
			if time.Since(begin) >= limitInterval {
				continue
			}
			if arrived := len(l.arrived(5060)); arrived < limitBurst || got != silent {
				l.t.Errorf("after %d packets by UDP: TCP %s, want %s", arrived, got, silent)
			}
			return
		}
		l.t.Error("this machine is too slow for the question")
	})
}

// The limit on packets from one address in flows that the PBX has answered.
const (
	flowBurst     = 300
	flowPerSecond = 60
	flowInterval  = time.Second / flowPerSecond
)

// TestPacketsLimitOfFlows: flows that the PBX has answered have room for a phone's many answers, but are
// still limited, for several flows together, and whichever side has begun them.
func TestPacketsLimitOfFlows(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		server := l.udpServer(5060)
		from := l.fresh(l.roamer)
		asked, called := l.dialUDP(from, 5060), l.dialUDP(from, 5060)
		defer asked.Close()
		defer called.Close()
		l.send(asked, "first")
		if !l.answer(5060, "first") {
			l.t.Fatal("the first packet did not arrive")
		}
		l.expect(asked, "first")
		// Anybody can have the PBX begin a flow: its answer goes to the address in Via.
		if _, err := server.WriteTo([]byte("SIP/2.0 401 Unauthorized"), called.LocalAddr()); err != nil {
			l.t.Fatal(err)
		}
		l.expect(called, "SIP/2.0 401 Unauthorized")

		const sent = 2 * flowBurst
		got, begin := 0, time.Now()
		for n := range sent {
			l.send([]*net.UDPConn{asked, called}[n%2], "OPTIONS sip:pbx SIP/2.0")
			if n%100 == 99 { // as many as the server's socket holds
				got += len(l.arrived(5060))
			}
		}
		if most := flowBurst + 1 + int(time.Since(begin)/flowInterval); got < flowBurst || got > most {
			l.t.Errorf("%d of %d packets at once of established flows arrived, want %d to %d", got, sent, flowBurst, most)
		}
		// That takes nothing from flows that the address begins, nor from others.
		if got := l.knock(from, "udp", 5060); got != accepted {
			l.t.Errorf("a new flow from the same address: %s", got)
		}
		if got := l.knock(l.fresh(l.roamer), "udp", 5060); got != accepted {
			l.t.Errorf("from another address: %s", got)
		}
	})
}
