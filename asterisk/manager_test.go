package asterisk

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestManager(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:5038")
	for text, want := range map[string]Manager{
		"": {Listens: loopback},
		"[general]\nenabled = yes\nwebenabled = yes\n":            {Enabled: true, HTTP: true, Listens: loopback},
		"[general]\nenabled = no\nwebenabled = no\nport = 5039\n": {Listens: netip.MustParseAddrPort("127.0.0.1:5039")},
		"[general]\nbindaddr = 192.0.2.1\n[me]\nsecret = x\n":     {Listens: netip.MustParseAddrPort("192.0.2.1:5038"), Users: []string{"me"}},
	} {
		for _, oldSIP := range []bool{false, true} {
			want.OldSIP = oldSIP
			got := managerOf(parseAsterisk(source{"manager.conf", text}, none, false), oldSIP)
			if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
				t.Errorf("%q: %s", text, d)
			}
		}
	}
}
