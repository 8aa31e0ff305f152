package firewall_test

import "testing"

// TestPacketsForged is what docs/limits.md says of somebody who sends with the address
// of a phone, and without seeing the answers: what he can stop, and what goes on.
func TestPacketsForged(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		phone := l.fresh(l.roamer)
		flow := l.answeredFlow(phone)
		l.tcpServer(5060)
		a := l.connect(phone, 5060)
		defer a.close()
		stream := l.connected(5060)
		if len(stream) != 1 {
			l.t.Fatalf("%d connections stand", len(stream))
		}
		defer stream[0].Close()
		client := l.established(a)
		defer client.Close()
		goesOn := func(what string) {
			l.t.Helper()
			l.send(flow, "OPTIONS sip:pbx SIP/2.0")
			if got := len(l.arrived(5060)); got != 1 {
				l.t.Errorf("%s: the phone's flow ends", what)
			}
			l.exchange(client, stream[0])
			l.exchange(stream[0], client)
		}

		// Each forged packet is a flow of its own, for whoever forges does not know the
		// phone's port. They come faster than the limit lets new ones in.
		forge := func(text string, n int) {
			for range n {
				l.sendFrom(phone, 5060, text)
			}
			l.arrived(5060)
		}
		forge("OPTIONS sip:pbx SIP/2.0", 40)
		goesOn("many packets")

		forge("REGISTER sip:pbx SIP/2.0", firstDropped)
		goesOn("many REGISTER")
		l.send(flow, "REGISTER sip:pbx SIP/2.0")
		if got := len(l.arrived(5060)); got != 0 {
			l.t.Error("a REGISTER of the phone came through: the page may promise more")
		}
		l.send(flow, "INVITE sip:100@pbx SIP/2.0")
		if got := len(l.arrived(5060)); got != 1 {
			l.t.Error("many REGISTER stop an INVITE")
		}
		// By TCP nothing is stopped by these.
		l.send(client, "REGISTER sip:pbx SIP/2.0")
		l.expect(stream[0], "REGISTER sip:pbx SIP/2.0")
	})
}
