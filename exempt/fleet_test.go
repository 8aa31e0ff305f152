package exempt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/internal/testdocument"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestOfFleet: whom the operator's document allows is exempt beside whom the configuration allows, for as long
// as the document counts.
func TestOfFleet(t *testing.T) {
	testns.Enter(t)
	operator := testdocument.New(t)
	dir := t.TempDir()
	cfg, err := config.Parse("c", fmt.Appendf(nil, `run_dir: %[1]s/run
state_dir: %[1]s/state
allow: [1.1.1.1, both.example]
firewall: {trunks: [2.2.2.2]}
`+operator.Config(), dir))
	if err != nil {
		t.Fatal(err)
	}
	take := func(text string) {
		t.Helper()
		if _, _, unkept, err := docfile.Take(t.Context(), cfg, "test", time.Minute, operator.Sign(text)); err != nil || unkept != nil {
			t.Fatal(err, unkept)
		}
	}
	gather := func(cfg config.Config) (*Protection, string) {
		t.Helper()
		store, err := fetch.OpenStore(cfg.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p, err := GatherLast(t.Context(), cfg, store)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, addr := range []string{"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4", "2a00::1"} {
			if why := reasonsFor(p, addr); why != "" {
				all = append(all, why)
			}
		}
		return p, strings.Join(all, "; ")
	}
	const local = "1.1.1.1/32 allow; 2.2.2.2/32 trunks"
	if _, got := gather(cfg); got != local {
		t.Errorf("without a document: %s", got)
	}
	take("serial: 1\nallow: [1.1.1.1, 3.3.3.0/24, \"2a00::/32\", both.example, fleet.example]\ntrunks: [4.4.4.4, 2.2.2.2]\n")
	p, got := gather(cfg)
	if want := "1.1.1.1/32 allow+allow of the fleet; 2.2.2.2/32 trunk of the fleet+trunks; 3.3.3.0/24 allow of the fleet; 4.4.4.4/32 trunk of the fleet; 2a00::/32 allow of the fleet"; got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	var names []string
	for _, n := range p.Names {
		names = append(names, n.Name+" of "+n.Of())
	}
	if got := strings.Join(names, "; "); got != "both.example of allow and allow of the fleet; fleet.example of allow of the fleet" {
		t.Errorf("names: %s", got)
	}
	if !slices.Contains(p.Unprotected, "fleet.example") {
		t.Errorf("a name without an address: %v", p.Unprotected)
	}
	if got := fmt.Sprint(p.Trunks, LastTrunks(t.Context(), cfg, nil)); got != "[2.2.2.2/32 4.4.4.4/32] [2.2.2.2/32 4.4.4.4/32]" {
		t.Errorf("trunks: %s", got)
	}
	take("serial: 2\nallow: [4.4.4.4]\n")
	if _, got := gather(cfg); got != local+"; 4.4.4.4/32 allow of the fleet" {
		t.Errorf("after the next document: %s", got)
	}
	off := cfg
	off.Fleet.Hubs = nil
	if _, got := gather(off); got != local {
		t.Errorf("without a hub: %s", got)
	}
	other := cfg
	other.Fleet.Key[0]++
	if p, got := gather(other); got != local || !strings.Contains(strings.Join(p.Problems, " "), "the operator's document cannot be read") {
		t.Errorf("with another key: %s, %v", got, p.Problems)
	}
}
