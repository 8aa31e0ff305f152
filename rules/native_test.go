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
)

// TestUnreadIsTold has a family that cannot be listed for the moment: an error says that not
// everything was seen. TestPlace has what becomes of the drop.
func TestUnreadIsTold(t *testing.T) {
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
		if found, unread := reach.AvoidInput(t.Context(), cfg, fw.Backend, saved); found != "" || unread != nil {
			t.Errorf("all is read, and INPUT is avoided: %s, %v", found, unread)
		}
		saved[f] = &iptables.Saved{Family: f, Trouble: unix.ENOBUFS}
		if found, unread := reach.AvoidInput(t.Context(), cfg, fw.Backend, saved); found != "" || !errors.Is(unread, unix.ENOBUFS) {
			t.Errorf("%s is not listed: %s, %v", f, found, unread)
		}
	}
}
