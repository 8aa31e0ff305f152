package firewall

import (
	"errors"
	"testing"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// TestCheckComplete adds a rule between a listing and the kernel's count: that does not look like a lack
// of memory.
func TestCheckComplete(t *testing.T) {
	h := newHost(t, NFT)
	h.sh("iptables-nft -A INPUT -s 192.0.2.1 -j DROP")
	generation, err := nftGeneration()
	if err != nil {
		t.Fatal(err)
	}
	listed := h.fw.begin(t.Context(), iptables.Families[:]).wait()[iptables.IPv4]
	told, err := h.fw.checkComplete(t.Context(), listed, generation, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.sh("iptables-nft -A INPUT -s 192.0.2.2 -j DROP")
	if _, err := h.fw.checkComplete(t.Context(), listed, generation, nil); !errors.Is(err, errListings) {
		t.Errorf("a rule was added: %v", err)
	}
	if _, err := h.fw.checkComplete(t.Context(), listed, generation, told); err != nil {
		t.Errorf("a rule was added since the last count: %v", err)
	}
	if generation, err = nftGeneration(); err != nil {
		t.Fatal(err)
	}
	var left *leftOutError
	if _, err := h.fw.checkComplete(t.Context(), listed, generation, told); err != nil {
		t.Errorf("between two counts: %v", err)
	}
	if _, err := h.fw.checkComplete(t.Context(), listed, generation, nil); !errors.As(err, &left) || left.Shown != 1 || left.Has != 2 {
		t.Errorf("a rule is left out: %v", err)
	}
}

func TestLeftOut(t *testing.T) {
	type chains = map[string]nft.ListedChain
	listing := func(text string) *iptables.Saved {
		s, err := iptables.ParseSaved(iptables.IPv4, []byte("*filter\n"+text+"COMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const one, none = ":INPUT DROP [0:0]\n:mine - [0:0]\n-A mine -j DROP\n", ":INPUT ACCEPT [0:0]\n"
	input := nft.ListedChain{Drops: true}
	for name, c := range map[string]struct {
		shown         string
		before, after chains
		left          string // the chain
	}{
		"complete":            {one, chains{"INPUT": input, "mine": {Rules: 1}}, chains{"INPUT": input, "mine": {Rules: 1}}, ""},
		"no chain":            {none, chains{"mine": {}}, chains{"mine": {}}, "mine"},
		"no rule":             {one, chains{"mine": {Rules: 2}}, chains{"mine": {Rules: 2}}, "mine"},
		"a rule came":         {one, chains{"mine": {Rules: 1}}, chains{"mine": {Rules: 2}}, ""},
		"a rule went":         {one, chains{"mine": {Rules: 2}}, chains{"mine": {Rules: 1}}, ""},
		"a chain came":        {none, chains{}, chains{"mine": {Rules: 2}}, ""},
		"a chain went":        {none, chains{"mine": {Rules: 2}}, chains{}, ""},
		"the policy":          {none, chains{"INPUT": input}, chains{"INPUT": input}, "INPUT"},
		"a policy changed":    {none, chains{"INPUT": {}}, chains{"INPUT": input}, ""},
		"a policy that is so": {none, chains{"INPUT": {}}, chains{"INPUT": {}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			left := leftOut(listing(c.shown), map[string]chains{"filter": c.before}, map[string]chains{"filter": c.after})
			if (left == nil) != (c.left == "") || left != nil && left.Chain != c.left {
				t.Errorf("%v", left)
			}
		})
	}
}
