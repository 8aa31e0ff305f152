package iptwalk

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

// TestMisread: a rule that is shown only in part does not count as matching everybody.
func TestMisread(t *testing.T) {
	s := testrules.Parsed(t, iptables.IPv4, "*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -j ACCEPT\n[0:0] -A INPUT\n[0:0] -A INPUT -m set --match-set voip_bl src -m comment --comment voipbl -j DROP\nCOMMIT\n")
	if len(Shadowed(s)) != 2 {
		t.Fatalf("%+v", Shadowed(s))
	}
	s.Misread("filter", "INPUT", 0, 2) // of another state
	if len(Shadowed(s)) != 2 {
		t.Error("marked a rule that was not looked at")
	}
	s.Misread("filter", "INPUT", 0, 3)
	s.Misread("filter", "INPUT", 1, 3)
	if got := Shadowed(s); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := s.Texts("filter", "INPUT"); got[0] != "-m nftables -j ACCEPT" || got[1] != "-m nftables -j NFTABLES" {
		t.Errorf("%q", got)
	}
}
