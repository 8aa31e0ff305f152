package setup

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	machine "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/screen"
)

// TestManyListeners: with 30 programs on 300 ports setup still prints about a dozen lines before it
// asks, and names sshd first.
func TestManyListeners(t *testing.T) {
	cfg, err := config.Parse("voipbl.yaml", []byte("firewall: {base: true, local_networks: [192.168.7.0/24, 'fd00:77::/64'], trunks: [5.6.7.8]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var listeners []machine.Listener
	for port := range 300 {
		listeners = append(listeners, machine.Listener{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: uint16(30000 + port), Program: fmt.Sprintf("daemon-%d", port%30)})
	}
	listeners = append(listeners, machine.Listener{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 2222, Program: "sshd"})
	var closed []lockout.Closed
	for i, l := range listeners {
		c := lockout.Closed{Listener: l}
		if i%3 == 0 {
			c.OpenTo = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}
		closed = append(closed, c)
	}
	var shown bytes.Buffer
	for _, line := range append(accessLines(advise.Openings(cfg, listeners), cfg.Firewall), closedLines(closed, cfg.Firewall, "voipbl setup --dry-run --json")...) {
		shown.Write(screen.Fold([]byte(line + "\n")))
	}
	text := shown.String()
	t.Logf("\n%s", text)
	if n := strings.Count(text, "\n"); n > 15 {
		t.Errorf("%d lines", n)
	}
	for _, words := range []string{
		"everyone, within limits: sip (", "your networks (192.168.7.0/24, fd00:77::/64): sip (", "trunks (5.6.7.8): sip (udp 5060:5061)",
		"closed to everyone: ", ": sshd (tcp 2222), ", "open to 10.0.0.0/8 only: ", "other programs", "\"voipbl setup --dry-run --json\" lists all of them",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), words) {
			t.Errorf("%q is missing", words)
		}
	}
}

// TestClosedLines: the heading says whether all listeners are closed to everyone.
func TestClosedLines(t *testing.T) {
	var all, some lockout.Closed
	some.OpenTo = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		closed []lockout.Closed
		want   string
	}{
		{[]lockout.Closed{all}, "everything else is closed, also these listeners:"},
		{[]lockout.Closed{some}, "everything else is closed, or open to networks alone:"},
		{[]lockout.Closed{some, all}, "everything else is closed, or open to networks alone:"},
	} {
		if got := closedLines(c.closed, config.Firewall{}, "")[0]; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
