package firewall_test

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/iptables"
)

// TestPacketsForged checks what docs/limits.md says of somebody who forges a phone's address, without
// seeing the answers: what is stopped, and what goes on.
func TestPacketsForged(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		phone := l.fresh(l.roamer)
		flow := l.answeredFlow(phone)
		client, server := l.stream(phone)
		goesOn := func(what string) {
			l.t.Helper()
			l.send(flow, "OPTIONS sip:pbx SIP/2.0")
			if got := len(l.arrived(5060)); got != 1 {
				l.t.Errorf("%s: the phone's flow ends", what)
			}
			l.exchange(client, server)
			l.exchange(server, client)
		}

		// Each forged packet is a flow of its own, since the forger does not know the phone's port. They
		// come faster than the limit lets new flows in.
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
		forge("INVITE sip:100@pbx SIP/2.0", firstDropped)
		goesOn("many INVITE")
		l.send(flow, "INVITE sip:100@pbx SIP/2.0")
		if got := len(l.arrived(5060)); got != 0 {
			l.t.Error("an INVITE of the phone came through: the page may promise more")
		}
		// They stop nothing over TCP.
		l.send(client, "REGISTER sip:pbx SIP/2.0")
		l.expect(server, "REGISTER sip:pbx SIP/2.0")
	})
}

// TestPacketsForgedBeginnings: forging faster than the limit lets new flows in keeps a phone from beginning
// one.
func TestPacketsForgedBeginnings(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.udpServer(5060)
		l.tcpServer(5060)
		// It has to be done before the limit lets one more in.
		for range 20 {
			phone, begin := l.fresh(l.roamer), time.Now()
			for range limitBurst {
				l.sendFrom(phone, 5060, "OPTIONS sip:pbx SIP/2.0")
			}
			udp, tcp := l.knock(phone, "udp", 5060), l.knock(phone, "tcp", 5060)
			if time.Since(begin) >= limitInterval {
				continue
			}
			if udp != silent || tcp != silent {
				l.t.Errorf("a new flow by UDP: %s, by TCP: %s: the page may promise more", udp, tcp)
			}
			if got := l.knock(phone, "udp", 5061); got != accepted {
				l.t.Errorf("to another port: %s", got)
			}
			return
		}
		l.t.Error("this machine is too slow for the question")
	})
}

// TestPacketsForgedFlows: forged packets stop flows that the PBX has answered if there are many of them, in
// flows that it has answered too.
func TestPacketsForgedFlows(t *testing.T) {
	const rounds, forgedInRound = 100, 20
	inEachLab(t, func(l *lab) {
		l.apply(full())
		phone := l.fresh(l.roamer)
		client, server := l.stream(phone)
		flow, forged := l.answeredFlow(phone), l.answeredFlow(phone)
		for n := range flowBurst {
			l.send(forged, "OPTIONS sip:pbx SIP/2.0")
			if n%100 == 99 { // as many as the server's socket holds
				l.arrived(5060)
			}
		}
		ours, got := "OPTIONS sip:phone SIP/2.0", 0
		for range rounds {
			for range forgedInRound {
				l.send(forged, "OPTIONS sip:pbx SIP/2.0")
			}
			l.send(flow, ours)
			l.send(client, "x")
			for _, d := range l.arrived(5060) {
				if d.text == ours {
					got++
				}
			}
		}
		if got > rounds/2 {
			l.t.Errorf("%d of %d of the phone's packets came by UDP: the page may promise more", got, rounds)
		}
		if err := server.SetReadDeadline(time.Now()); err != nil {
			l.t.Fatal(err)
		}
		if n, _ := server.Read(make([]byte, 2*rounds)); n > rounds/2 {
			l.t.Errorf("%d of %d bytes came by TCP: the page may promise more", n, rounds)
		}
	})
}

// TestPacketsPushedOut: a list of xt_recent has room for a number of sources. The one heard of longest ago is
// pushed out, even if the list blocks it.
func TestPacketsPushedOut(t *testing.T) {
	text, err := os.ReadFile("/sys/module/xt_recent/parameters/ip_list_tot")
	if err != nil {
		t.Fatal(err)
	}
	room, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	const sources = 100 // of packets; if there is more room, the others are written into the list
	inEachLab(t, func(l *lab) {
		l.apply(full())
		flow := l.answeredFlow(l.fresh(l.attacker))
		for range firstDropped {
			l.send(flow, "REGISTER sip:pbx SIP/2.0")
		}
		if got := len(l.arrived(5060)); got != firstDropped-1 {
			l.t.Fatalf("%d of %d arrived", got, firstDropped)
		}
		list := map[iptables.Family]string{iptables.IPv4: "VOIP", iptables.IPv6: "VOIP64"}[l.family]
		other := netip.MustParseAddr([...]string{"11.0.0.0", "2a00::"}[l.family])
		for range room - sources {
			other = other.Next()
			if err := os.WriteFile("/proc/thread-self/net/xt_recent/"+list, []byte("+"+other.String()), 0); err != nil {
				l.t.Fatal(err)
			}
		}
		for range min(room, sources) {
			l.sendFrom(l.fresh(l.roamer), 5060, "REGISTER sip:pbx SIP/2.0")
		}
		l.arrived(5060)
		l.send(flow, "REGISTER sip:pbx SIP/2.0")
		if got := len(l.arrived(5060)); got != 1 {
			l.t.Errorf("after %d other sources the first is still kept out: the page may promise more", room)
		}
	})
}
