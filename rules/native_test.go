package rules

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
)

// TestUnreadMovesNothing has a family that cannot be listed for the moment: the drop stays where
// it is, and an error says that not everything was seen.
func TestUnreadMovesNothing(t *testing.T) {
	testns.Enter(t)
	fw, err := firewall.Open(string(firewall.NFT))
	if err != nil {
		t.Fatal(err)
	}
	cfg := testvalue.Config(t, "firewall: {drop_at: auto}")
	for _, f := range iptables.Families {
		saved, err := fw.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, avoid, err := reach.DropAt(t.Context(), cfg, fw.Backend, saved, true); avoid || err != nil {
			t.Errorf("all is read, and INPUT is avoided because it was the last time: %v", err)
		}
		saved[f] = &iptables.Saved{Family: f, Trouble: unix.ENOBUFS}
		for _, last := range []bool{true, false} {
			if at, avoid, err := reach.DropAt(t.Context(), cfg, fw.Backend, saved, last); !errors.Is(err, unix.ENOBUFS) || avoid != last || at != settings.DropPlace(cfg, last) {
				t.Errorf("%s is not listed: the drop is to stand in %s: %v", f, at, err)
			}
		}
	}
}
