package blocklist

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

func run(t *testing.T, stdin, command string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// enterInPieces makes voip_bl with 5.5.4.0/22, 7.7.7.0/24 and 7.7.9.9, networks in pieces of one
// length, and a rule for it.
func enterInPieces(t *testing.T) {
	t.Helper()
	testns.Enter(t)
	run(t, `create voip_bl hash:net maxelem 1048576 counters
add voip_bl 5.5.4.0/24 packets 3 bytes 180
add voip_bl 5.5.5.0/24
add voip_bl 5.5.6.0/24
add voip_bl 5.5.7.0/24 packets 4 bytes 240
add voip_bl 7.7.7.0/24 packets 1 bytes 60
add voip_bl 7.7.9.9
`, "ipset restore")
	run(t, "*filter\n-A INPUT -m set --match-set voip_bl src -j DROP\nCOMMIT\n", "iptables-nft-restore")
}

// TestCheckPieces: an address in a piece is in the list's own entry, with the counts of all
// pieces; what the kernel does not hold as one entry is not to be deleted.
func TestCheckPieces(t *testing.T) {
	enterInPieces(t)
	cfg, err := config.Parse("", fmt.Appendf(nil, "{state_dir: %[1]s/state, run_dir: %[1]s/run, allow: [5.5.6.6, 7.7.9.9, 5.5.4.0/23], feeds: [{name: a, path: /none}]}", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"5.5.5.5":     "blocked, 5.5.4.0/22 7 420, voipbl sync, else ipset del voip_bl 5.5.5.0/24",
		"5.5.4.0/23":  "blocked, 5.5.4.0/22 7 420, voipbl sync, else voipbl allow 5.5.4.0/23",
		"5.5.6.0/23":  "blocked, 5.5.4.0/22 7 420, voipbl allow 5.5.6.0/23",
		"5.5.4.0/22":  "blocked, 5.5.4.0/22 7 420, voipbl allow 5.5.4.0/22",
		"5.5.0.0/16":  "partly, 1 inside, voipbl allow 5.5.0.0/16",
		"7.7.0.0/16":  "partly, 2 inside, voipbl allow 7.7.0.0/16",
		"7.7.7.77":    "blocked, 7.7.7.0/24 1 60, voipbl allow 7.7.7.77",
		"5.5.8.8":     "no",
		"5.5.6.6":     "blocked, 5.5.4.0/22 7 420, voipbl sync, else ipset del voip_bl 5.5.6.0/24",
		"7.7.9.9":     "blocked, 7.7.9.9 0 0, voipbl sync, else ipset del voip_bl 7.7.9.9",
		"5.5.6.6/31":  "blocked, 5.5.4.0/22 7 420, voipbl allow 5.5.6.6/31",
		"5.0.0.0/9":   "partly, 1 inside, voipbl allow 5.0.0.0/9",
		"2a00:5::5":   "no",
		"77.77.77.77": "no",
	} {
		q, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		reports, _, err := Check(t.Context(), cfg, []netip.Prefix{q})
		if err != nil {
			t.Fatal(err)
		}
		r := reports[0]
		words := []string{string(r.Verdict)}
		if r.Entry != nil {
			words = append(words, fmt.Sprintf("%s %d %d", cidr.Text(*r.Entry), r.Packets, r.Bytes))
		}
		if r.Partly > 0 {
			words = append(words, fmt.Sprintf("%d inside", r.Partly))
		}
		for _, p := range r.Places {
			words = append(words, p.Remedy)
			if r.Exempt {
				words = append(words, "else "+p.TakeOutRemedy())
			}
			if p.Entry == nil || r.Entry != nil && *p.Entry != *r.Entry {
				t.Errorf("%s is in %v, and its packets are dropped as %v", query, r.Entry, p.Entry)
			}
		}
		if got := strings.Join(words, ", "); got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
	}
}

// TestStatusPieces: the lists' own entries come from the record, as long as nobody has changed the
// set since, and else from what the kernel holds.
func TestStatusPieces(t *testing.T) {
	enterInPieces(t)
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	content, err := kernel.Content("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	written := state.SetPrint{
		Name: "voip_bl", Maxelem: 1 << 20, Elements: 6, Digest: state.DigestText(content.Digest),
		Own: 1000, OwnLengths: []int{9}, Lengths: []int{24, 32}, // numbers that joining does not give
	}
	older := state.SetPrint{Name: "voip_bl", Maxelem: 1 << 20, Elements: 6, Digest: written.Digest}
	other := written
	other.Digest = state.DigestText(content.Digest + 1)
	replaced := written
	replaced.Maxelem = 1 << 21
	for name, test := range map[string]struct {
		print   state.SetPrint
		entries int
		lengths []int
		changed bool
	}{
		"as written":              {written, 1000, []int{9}, false},
		"as an older version did": {older, 3, []int{22, 24, 32}, false},
		"changed since":           {other, 3, []int{22, 24, 32}, true},
		"replaced since":          {replaced, 3, []int{22, 24, 32}, true},
		"no record":               {state.SetPrint{}, 3, []int{22, 24, 32}, false},
	} {
		s, err := wholeSets{kernel}.list("voip_bl", cidr.IPv4, test.print)
		if err != nil {
			t.Fatal(err)
		}
		want := s
		want.Entries, want.Lengths, want.Changed = test.entries, test.lengths, test.changed
		want.KernelEntries, want.KernelLengths, want.Packets = 6, []int{24, 32}, 8
		if diff := cmp.Diff(want, s, cmp.AllowUnexported(SetStatus{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	run(t, "", "ipset flush voip_bl")
	if s, err := (wholeSets{kernel}).list("voip_bl", cidr.IPv4, state.SetPrint{}); err != nil || s.Entries != 0 || len(s.Lengths) != 0 {
		t.Errorf("empty: %+v, %v", s, err)
	}
}
