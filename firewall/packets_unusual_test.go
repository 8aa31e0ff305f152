package firewall_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// unusual are requests that Asterisk 22 challenges for a password like a plain one. M stands for the
// method.
var unusual = map[string]string{
	"as usual":                "M sip:pbx SIP/2.0",
	"small letters":           "m sip:pbx SIP/2.0",
	"scheme in capitals":      "M SIP:pbx SIP/2.0",
	"sips":                    "M sips:pbx SIP/2.0",
	"tel":                     "M tel:+4530 SIP/2.0",
	"two blanks":              "M  sip:pbx SIP/2.0",
	"a tab":                   "M\tsip:pbx SIP/2.0",
	"a blank and a tab":       "M \t sip:pbx SIP/2.0",
	"a folded line":           "M\r\n sip:pbx SIP/2.0",
	"a line folded otherwise": "M\n\tsip:pbx SIP/2.0",
	"a carriage return":       "M\r sip:pbx SIP/2.0",
	"blank lines before it":   "\r\n\r\nM sip:pbx SIP/2.0",
	"many blank lines":        strings.Repeat("\r\n", 30) + "M  sip:pbx SIP/2.0",
	"blanks before it":        "  M sip:pbx SIP/2.0",
	"a tab before it":         "\tM sip:pbx SIP/2.0",
	"small version":           "M sip:pbx sip/2.0",
	"blanks in the version":   "M  sip:pbx SIP / 2.0",
	"a decoy":                 "M  sip:pbx SIP/2.0\r\nSubject: OPTIONS sip:pbx SIP/2.0",
}

// methods are tried with unusual: the two that the published rules count, and others that Asterisk
// accepts.
var methods = []string{"REGISTER", "INVITE", "REG", "R", "REGISTERX", "SESAME"}

// spellings returns all requests that must be counted.
func spellings() []string {
	var all []string
	for _, m := range methods {
		for _, u := range unusual {
			all = append(all, strings.ReplaceAll(strings.ReplaceAll(u, "M", m), "m ", strings.ToLower(m)+" "))
		}
	}
	slices.Sort(all)
	return all
}

// answeredFlow returns a socket of an address whose first packet has been answered, so that the limits on
// packets leave enough room.
func (l *lab) answeredFlow(c caller) *net.UDPConn {
	l.t.Helper()
	flow := l.dialUDP(c, 5060)
	l.t.Cleanup(func() { flow.Close() })
	token := "OPTIONS sip:pbx SIP/2.0\r\n" + l.token()
	l.udpServer(5060)
	l.send(flow, token)
	if !l.answer(5060, token) {
		l.t.Fatal("the first packet did not arrive")
	}
	l.expect(flow, token)
	return flow
}

// TestPacketsUnusual sends each spelling more often than a REGISTER is let in.
func TestPacketsUnusual(t *testing.T) {
	const sent = firstDropped + 3
	inEachLab(t, func(l *lab) {
		l.apply(full())
		for _, text := range spellings() {
			flow := l.answeredFlow(l.fresh(l.attacker))
			for range sent {
				l.send(flow, text)
			}
			if got := len(l.arrived(5060)); got != firstDropped-1 {
				l.t.Errorf("%q: %d of %d arrived, want %d", text, got, sent, firstDropped-1)
			}
			flow.Close()
		}
	})
}

// TestPacketsUnusualTogether sends all spellings from one address in turn: they count together with
// REGISTER. Only an INVITE that begins as usual counts separately.
func TestPacketsUnusualTogether(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		flow := l.answeredFlow(l.fresh(l.attacker))
		all := slices.DeleteFunc(spellings(), func(s string) bool { return strings.Contains(strings.ToLower(s), "invite sip:") })
		for _, text := range all {
			l.send(flow, text)
		}
		if got := len(l.arrived(5060)); got != firstDropped-1 {
			l.t.Errorf("%d of %d spellings arrived, want %d", got, len(all), firstDropped-1)
		}
		invite := "INVITE sip:100@pbx SIP/2.0"
		for range firstDropped + 3 {
			l.send(flow, invite)
		}
		if got := len(l.arrived(5060)); got != firstDropped-1 {
			l.t.Errorf("%d of %q arrived beside them, want %d", got, invite, firstDropped-1)
		}
	})
}

// TestPacketsUsual sends what phones send besides REGISTER and INVITE: none of it counts as one, whatever
// words are in it.
func TestPacketsUsual(t *testing.T) {
	const each = 15
	body := "\r\nCSeq: 1 REGISTER\r\nAllow: INVITE, REGISTER , INVITE\r\nSubject: register sip, INVITE  you\r\n\r\n"
	usual := []string{"\r\n\r\n", "\r\n", "\x00\x00\x00\x00", "jaK", "SIP/2.0 200 OK" + body, "SIP/2.0 401 Unauthorized" + body}
	for _, m := range strings.Fields("ACK BYE CANCEL OPTIONS SUBSCRIBE NOTIFY INFO PRACK UPDATE MESSAGE REFER PUBLISH") {
		usual = append(usual, m+" sip:100@pbx:5060;transport=udp SIP/2.0"+body)
	}
	inEachLab(t, func(l *lab) {
		l.apply(full())
		flow := l.answeredFlow(l.fresh(l.roamer))
		for _, text := range usual {
			for range each {
				l.send(flow, text)
			}
			if got := len(l.arrived(5060)); got != each {
				l.t.Errorf("%q: %d of %d arrived", text, got, each)
			}
		}
	})
}

// TestPacketsDisguised hides the start of the payload, with IP options or extension headers, and gives each
// packet another TTL. Neither helps.
func TestPacketsDisguised(t *testing.T) {
	const sent = firstDropped + 3
	inEachLab(t, func(l *lab) {
		l.apply(full())
		for name, disguise := range map[string]func(fd, n int) error{
			"options": func(fd, _ int) error {
				if l.family == iptables.IPv4 {
					return unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x01\x01\x01\x00")
				}
				return unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, "\x00\x00\x01\x04\x00\x00\x00\x00")
			},
			"ttl": func(fd, n int) error {
				if l.family == iptables.IPv4 {
					return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 64+n%2)
				}
				return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 64+n%2)
			},
		} {
			for _, text := range []string{"REGISTER  sip:pbx SIP/2.0", "INVITE sips:100@pbx SIP/2.0"} {
				flow := l.answeredFlow(l.fresh(l.attacker))
				for n := range sent {
					if err := control(flow, func(fd int) error { return disguise(fd, n) }); err != nil {
						l.t.Fatal(name, ": ", err)
					}
					l.send(flow, text)
				}
				if got := len(l.arrived(5060)); got != firstDropped-1 {
					l.t.Errorf("%q with other %s: %d of %d arrived, want %d", text, name, got, sent, firstDropped-1)
				}
			}
		}
	})
}

// control sets something of a socket.
func control(c syscall.Conn, set func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = set(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// TestPacketsFragments cuts requests in two where words are that rules look for.
func TestPacketsFragments(t *testing.T) {
	const sent = firstDropped + 3
	inEachLab(t, func(l *lab) {
		l.apply(full())
		for _, c := range []struct {
			text string
			cut  int // how much of it is in the first fragment
		}{
			{"REGISTER sip:pbx SIP/2.0", len("REGISTER")},
			{"INVITE  sip:100@pbx SIP/2.0", len("INVITE  ")},
			{"SESAME      tel:+4530 SIP/2.0", len("SESAME      tel:+4530 SI")},
		} {
			from := l.fresh(l.attacker)
			l.answeredFlow(from).Close()
			for range sent {
				l.sendFragments(from, 5060, c.text, c.cut)
			}
			// Each comes from a port that the PBX has not answered, so the limit on
			// packets is left out of it.
			if got := l.counted("added: sip: too many unusual requests in a minute"); got != sent-firstDropped+1 {
				l.t.Errorf("%q in fragments: %d of %d were dropped as too many, want %d", c.text, got, sent, sent-firstDropped+1)
			}
			l.arrived(5060)
			l.apply(dropOnly(ruleset.AtInput)) // counters begin anew
			l.apply(full())
		}
	})
}

// TestPacketsOfANetwork sends from many addresses of one /64, which in IPv6 are one
// customer's, and in IPv4 from addresses that are strangers to each other.
func TestPacketsOfANetwork(t *testing.T) {
	const sent = 40
	inEachLab(t, func(l *lab) {
		l.apply(full())
		from := l.fresh(l.attacker)
		send := func(text string) {
			for range sent {
				l.sendFrom(from, 5060, text)
				from.addr = from.addr.Next()
			}
		}
		limited := func(n int) int { return map[iptables.Family]int{iptables.IPv4: 0, iptables.IPv6: n}[l.family] }
		for _, c := range []struct{ text, counter string }{
			{"REGISTER sip:pbx SIP/2.0", "sip: too many REGISTER in a minute"},
			{"INVITE sip:100@pbx SIP/2.0", "sip: too many INVITE in a minute"},
		} {
			send(c.text)
			if got, want := l.counted(c.counter), limited(sent-firstDropped+1); got != want {
				l.t.Errorf("%q from %d addresses: %d dropped as too many, want %d", c.text, sent, got, want)
			}
		}
		l.arrived(5060)
		// Another /64, at once.
		from, begin := l.fresh(l.roamer), time.Now()
		for range sent {
			l.sendFrom(from, 5060, "OPTIONS sip:pbx SIP/2.0")
			from.addr = from.addr.Next()
		}
		least, most := sent, sent
		if l.family == iptables.IPv6 {
			least, most = limitBurst, limitBurst+mayFollow(begin)
		}
		if got := len(l.arrived(5060)); got < least || got > most {
			l.t.Errorf("OPTIONS from %d addresses at once: %d arrived, want %d to %d", sent, got, least, most)
		}
	})
}

// sendFragments sends a UDP packet in two fragments, from a port at which nobody is.
// cut is a multiple of 8.
func (l *lab) sendFragments(c caller, port uint16, text string, cut int) {
	l.t.Helper()
	l.knocks++
	udp := udpPacket(netip.AddrPortFrom(c.addr, 9), netip.AddrPortFrom(l.pbx(), port), text)
	cut += 8 // the header
	family := [...]int{unix.AF_INET, unix.AF_INET6}[l.family]
	var err error
	c.host.Do(func() {
		var fd int
		if fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return
		}
		defer unix.Close(fd)
		for _, part := range [][]byte{ipFragment(c.addr, l.pbx(), l.knocks, 0, true, udp[:cut]), ipFragment(c.addr, l.pbx(), l.knocks, cut, false, udp[cut:])} {
			if err = unix.Sendto(fd, part, 0, sockaddr(l.pbx(), 0)); err != nil {
				return
			}
		}
	})
	if err != nil {
		l.t.Fatal("raw socket: ", err)
	}
}
