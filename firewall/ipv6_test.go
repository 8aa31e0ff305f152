package firewall

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ruleset"
)

// TestWithoutIPv6 imitates a kernel without IPv6, as far as possible: no tool of ip6tables is run, and
// IPv4 has its rules.
func TestWithoutIPv6(t *testing.T) {
	had := ipv6Proof
	absent := filepath.Join(t.TempDir(), "absent")
	ipv6Proof = func() string { return absent }
	defer func() { ipv6Proof = had }()
	testns.Enter(t)
	for _, set := range []string{"voip_bl", "voip_ban"} {
		if out, err := exec.Command("ipset", "create", set, "hash:net").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	fw, err := Open("legacy")
	if err != nil {
		t.Fatal(err)
	}
	want := ruleset.Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}, DropAt: ruleset.AtInput}.Wanted()
	for _, changes := range []int{2, 0} {
		saved, err := fw.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done, err := fw.Apply(t.Context(), want, saved, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Changes(done.Plans); len(got) != changes {
			t.Errorf("%d changes, not %d: %v", len(got), changes, got)
		}
	}
	out, err := exec.Command("iptables-legacy-save").Output()
	if err != nil || !strings.Contains(string(out), "-A INPUT -m set --match-set voip_bl src ") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.Command("cat", "/proc/thread-self/net/ip6_tables_names").Output(); err != nil || len(out) > 0 {
		t.Errorf("IPv6 tables were made: %v: %s", err, out)
	}
}
