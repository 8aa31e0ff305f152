package exempt

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/dns"
)

// TestRemembered: all names that were asked for are written, and others for a time.
// However many there are, the file can be read again.
func TestRemembered(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	with := func(at time.Time, addresses int) (k Answer) {
		k.At = at
		for i := range addresses {
			seen := at.Add(-time.Hour)
			if i < 2 {
				seen = at
			}
			addr := netip.AddrFrom16([16]byte{0x2a, 14: byte(i >> 8), 15: byte(i)})
			k.Addresses = append(k.Addresses, dns.Address{Addr: addr, FirstSeen: seen, LastSeen: seen, Missing: time.Hour})
		}
		return k
	}
	kept := map[string]Answer{"asked.example": with(now.Add(-100*24*time.Hour), 3), "mistake.example": with(now.Add(-time.Hour), 1), "old.example": with(now.Add(-8*24*time.Hour), 1)}
	all := remembered(kept, []string{"asked.example", "never.example"}, 7*24*time.Hour, now)
	if len(all) != 3 || len(all["asked.example"].Addresses) != 3 || len(all["mistake.example"].Addresses) != 1 {
		t.Errorf("%v", all)
	}

	var asked []string
	for n := range 8192 { // the most that allow and trunks can have
		name := fmt.Sprintf("n%d.example", n)
		asked = append(asked, name)
		kept[name] = with(now, dns.MaxAddresses)
	}
	for n := range 3000 {
		kept[fmt.Sprintf("gone%d.example", n)] = with(now, dns.MaxAddresses)
	}
	all = remembered(kept, asked, 7*24*time.Hour, now)
	if len(all) != len(asked)+maxForgotten {
		t.Errorf("%d names", len(all))
	}
	store := openStore(t)
	if err := store.WriteJSON(namesFile, all); err != nil {
		t.Fatal(err)
	}
	var back map[string]Answer
	if err := store.ReadJSON(namesFile, &back); err != nil || !slices.Equal(back["n77.example"].Addrs(), kept["n77.example"].Last().Addrs()) || len(back["n77.example"].Addresses) != 2 {
		t.Errorf("%v, %v", back["n77.example"], err)
	}
}
