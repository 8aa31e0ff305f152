package enroll

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestSome: a message never names "1 others".
func TestSome(t *testing.T) {
	names := make([]string, mostNamed+2)
	for i := range names {
		names[i] = "x"
	}
	for n, want := range map[int]string{1: "x", mostNamed + 1: strings.Join(names[:mostNamed+1], ", "), mostNamed + 2: strings.Join(names[:mostNamed], ", ") + " and 2 others"} {
		if is := some(names[:n]); is != want {
			t.Errorf("%d: %s, want %s", n, is, want)
		}
	}
}

// TestAddAgainDry: a dry run lists what another key for a host entails: its former one is revoked, which the server's
// configuration has, and the relay that would let that pass is cut off.
func TestAddAgainDry(t *testing.T) {
	testskip.UnlessRoot(t)
	opts := machine(t)
	to := filepath.Join(t.TempDir(), "join")
	add := AddOptions{HubOptions: opts, Name: "acme_pbx1", To: to}
	if _, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"hub.example.net"}}); code(err) != exit.Stale { // to be started by hand
		t.Fatal(err)
	}
	if r, err := Add(t.Context(), add); err != nil || !slices.Equal(r.Changed, []string{operator, to}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := Relay(t.Context(), RelayOptions{HubOptions: opts, Site: "acme", Addresses: []string{"relay.example.net"}, To: t.TempDir()}); code(err) != exit.Stale {
		t.Fatal(err)
	}
	add.Again, add.DryRun = true, true
	for range 2 { // it has changed nothing
		r, err := Add(t.Context(), add)
		if err != nil || r.Former != 1 || !slices.Contains(r.Changed, serverConf) || !slices.Contains(r.Changed, to) || !strings.Contains(strings.Join(r.Notes, " "), "the relay of the site acme is cut off") {
			t.Errorf("%+v, %v", r, err)
		}
	}
}
