package advise

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
)

func TestConnected(t *testing.T) {
	shipped, err := os.ReadFile("../packaging/voipbl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hep, ami := netip.MustParseAddrPort("127.0.0.1:460"), netip.MustParseAddrPort("127.0.0.1:5038")
	for name, text := range map[string]string{
		"shipped":      string(shipped),
		"empty":        "",
		"older":        "firewall:\n  log_drops: \"off\"\n",
		"with a key":   "pbx:\n  trust_registered: false\n",
		"other values": "pbx:\n  hep: \"127.0.0.1:9060\" # mine\n  ami: \"\"\n",
	} {
		before, err := config.Parse("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		on, cfg, err := Connected([]byte(text), hep, ami)
		if err != nil || cfg.PBX.HEP != hep || cfg.PBX.AMI != ami {
			t.Errorf("%s: %v\n%s", name, err, on)
		}
		if again, _, err := Connected(on, hep, ami); err != nil || string(again) != string(on) {
			t.Errorf("%s again: %v\n%s", name, err, again)
		}
		off, cfg, err := Connected(on, netip.AddrPort{}, netip.AddrPort{})
		before.PBX.HEP, before.PBX.AMI = netip.AddrPort{}, netip.AddrPort{}
		if err != nil || !cfg.Equal(before) {
			t.Errorf("%s, off: %v\n%s", name, err, off)
		}
	}
	if _, _, err := Connected([]byte("pbx: {hep: \"\"}\n"), hep, ami); err == nil || !strings.Contains(err.Error(), `set pbx.hep to "127.0.0.1:460" by hand`) {
		t.Errorf("a flow mapping: %v", err)
	}
}
