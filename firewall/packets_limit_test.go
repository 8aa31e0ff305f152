package firewall_test

import (
	"slices"
	"testing"
	"time"
)

// The limit on packets from one address to one SIP port.
const (
	limitBurst     = 5
	limitPerSecond = 6
	limitInterval  = time.Second / limitPerSecond
)

// mayFollow is how many packets the limit may have let in beyond its burst.
func mayFollow(begin time.Time) int { return 1 + int(time.Since(begin)/limitInterval) }

// TestPacketsLimit is the limit on packets that nobody has answered yet.
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
		// Others are not slowed down, and another port counts for itself.
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

		// A TCP connection takes two of the burst, one for the client's SYN and
		// one for its ACK. The ACK of the third passes as part of a connection.
		const burst = (limitBurst + 1) / 2
		fast, begin = l.fresh(l.attacker), time.Now()
		for range sent {
			defer l.connect(fast, 5060).close()
		}
		most = burst + mayFollow(begin)
		conns := l.connected(5060)
		for _, c := range conns {
			defer c.Close()
		}
		if got := len(conns); got < burst || got > most {
			l.t.Errorf("TCP: %d of %d connections at once stand, want %d to %d", got, sent, burst, most)
		}
	})
}

// TestPacketsLimitOfBoth shows that UDP and TCP to the same port count together.
func TestPacketsLimitOfBoth(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.udpServer(5060)
		// It has to be done before the limit lets one more in.
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

// TestPacketsLimitEnds shows what the limit does not do, as the published ruleset
// has it: once the PBX has answered, the flow is an established one.
func TestPacketsLimitEnds(t *testing.T) {
	const sent = 40
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.udpServer(5060)
		client := l.dialUDP(l.fresh(l.roamer), 5060)
		defer client.Close()
		l.send(client, "first")
		if !l.answer(5060, "first") {
			l.t.Fatal("the first packet did not arrive")
		}
		l.expect(client, "first")
		var texts []string
		for range sent {
			texts = append(texts, l.token())
			l.send(client, texts[len(texts)-1])
		}
		var got []string
		for _, d := range l.arrived(5060) {
			got = append(got, d.text)
		}
		if !slices.Equal(got, texts) {
			l.t.Errorf("%d of %d packets at once of an established flow arrived", len(got), sent)
		}
	})
}
