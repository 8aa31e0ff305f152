package rules

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
	"golang.org/x/sys/unix"
)

// TestDeadline: the end of a trial is counted by the time since boot, however little the wall
// clock was moved.
func TestDeadline(t *testing.T) {
	begun := time.Date(2026, 11, 29, 12, 0, 0, 500_000_000, time.UTC)
	p := &PendingBase{Since: begun, Deadline: begun.Add(time.Minute), Uptime: time.Hour}
	for _, c := range []struct {
		name       string
		wall, want time.Duration // since the trial began, twenty seconds later
	}{
		{"nobody moves it", 20 * time.Second, time.Minute},
		{"the clocks are not read at once", 20*time.Second + time.Millisecond, time.Minute},
		{"59 s ahead", 79 * time.Second, 119*time.Second - 500*time.Millisecond},
		{"59 s back", -39 * time.Second, time.Second - 500*time.Millisecond},
		{"a year ahead", 365*24*time.Hour + 20*time.Second, 365*24*time.Hour + time.Minute - 500*time.Millisecond},
	} {
		now := deadline.Clock{Boot: "b", Up: p.Uptime + 20*time.Second, Wall: begun.Add(c.wall)}
		if got := p.deadlineBy(now).Sub(begun); got != c.want {
			t.Errorf("%s: %s after it began, not %s", c.name, got, c.want)
		}
	}
	p.Kernel = firewall.Kernel()
	for up, over := range map[time.Duration]bool{p.Uptime + time.Minute: false, p.Uptime + time.Minute + 1: true} {
		if p.OnTrial(up) == over {
			t.Errorf("at %s it is over: %v", up, !over)
		}
	}
	p.Kernel = "of another boot"
	if r := p.Report(); !r.Lapsed || !r.Deadline.Equal(p.Deadline) {
		t.Errorf("of another boot: %+v", r)
	}
}

// TestGone: base rules on trial are gone only from a family that is known not to have them and
// was to have them.
func TestGone(t *testing.T) {
	empty := func(f iptables.Family) *iptables.Saved {
		s, err := iptables.ParseSaved(f, []byte("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	unknown := empty(iptables.IPv6)
	unknown.Trouble = unix.ENOBUFS
	emptied, err := iptables.ParseSaved(iptables.IPv6, []byte("*filter\n:INPUT ACCEPT [0:0]\n:VOIPBL-INPUT - [0:0]\n-A INPUT -j VOIPBL-INPUT\nCOMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		pending PendingBase
		ipv6    *iptables.Saved
		want    [2]bool
	}{
		{"both", PendingBase{Base: new(ruleset.Base)}, empty(iptables.IPv6), [2]bool{true, true}},
		{"a kernel without IPv6", PendingBase{Base: new(ruleset.Base)}, &iptables.Saved{Absent: true}, [2]bool{true, false}},
		{"IPv6 is not known", PendingBase{Base: new(ruleset.Base)}, unknown, [2]bool{true, false}},
		{"on trial for IPv4 alone", PendingBase{Base: new(ruleset.Base), WithoutBase: [2]bool{false, true}}, empty(iptables.IPv6), [2]bool{true, false}},
		{"the chain is emptied", PendingBase{Base: new(ruleset.Base)}, emptied, [2]bool{true, true}},
		{"none on trial", PendingBase{}, empty(iptables.IPv6), [2]bool{}},
	} {
		if got := c.pending.gone([2]*iptables.Saved{empty(iptables.IPv4), c.ipv6}); got != c.want {
			t.Errorf("%s: gone %v, not %v", c.name, got, c.want)
		}
	}
}
