package connect

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/asterisk"
)

// TestUnlike: files as connect writes them are in order, also what was written by hand where root does
// not write; each other one is told of, by the way that it is for.
func TestUnlike(t *testing.T) {
	hep, ami := netip.MustParseAddrPort("127.0.0.1:460"), netip.MustParseAddrPort("127.0.0.1:5038")
	type configured struct{ HEP, AMI netip.AddrPort }
	both := configured{HEP: hep, AMI: ami}
	connected := func() asterisk.Facts {
		return asterisk.Facts{
			HEP: asterisk.HEP{Installed: true, Enabled: true, To: hep.String()},
			Manager: asterisk.Manager{Enabled: true, Listens: ami, Users: []string{User},
				Includes: []string{"/etc/asterisk/manager.d/*.conf"}},
		}
	}
	for _, c := range []struct {
		name  string
		cfg   configured
		files string // what becomes of the files, as a shell has it
		facts func(*asterisk.Facts)
		want  string
	}{
		{"in order", both, "", nil, ""},
		{"the manager interface alone", configured{AMI: ami}, "hep", nil, ""},
		{"by hand", both, "link", nil, ""},
		{"to be done by hand", both, "link", func(f *asterisk.Facts) { f.HEP.Enabled = false }, "hep.conf is not"},
		{"by hand, to another port", both, "link", func(f *asterisk.Facts) { f.HEP.To = "127.0.0.1:9060" }, "hep.conf is not"},
		{"no hep.conf", both, "hep", func(f *asterisk.Facts) { f.HEP.Enabled = false }, "hep.conf is not"},
		{"no module", both, "", func(f *asterisk.Facts) { f.HEP.Installed = false }, "hep.conf is not"},
		{"copies nobody wants", configured{AMI: ami}, "", nil, "pbx.hep is off"},
		{"no user", both, "user", func(f *asterisk.Facts) { f.Manager.Users = nil }, "log in"},
		{"off", both, "", func(f *asterisk.Facts) { f.Manager.Enabled = false }, "log in"},
		{"open over HTTP", both, "", func(f *asterisk.Facts) { f.Manager.HTTP = true }, "set webenabled = no in manager.conf"},
		{"another port", both, "", func(f *asterisk.Facts) { f.Manager.Listens = netip.MustParseAddrPort("127.0.0.1:5039") }, "log in"},
		{"another loopback address", both, "", func(f *asterisk.Facts) { f.Manager.Listens = netip.MustParseAddrPort("[::1]:5038") }, ""},
		{"copies alone", configured{HEP: hep}, "user", func(f *asterisk.Facts) { f.Manager = asterisk.Manager{} }, ""},
	} {
		folder := t.TempDir()
		want := Want{HEP: c.cfg.HEP, HEPPassword: "pw", AMISecret: "sec"}
		plan := func(want Want, facts asterisk.Facts) Plan {
			files, err := Read(folder)
			if err != nil {
				t.Fatal(err)
			}
			return New(files, &facts, want)
		}
		begin := want
		begin.HEP = hep
		before := connected()
		before.Manager.Users = nil
		if err := plan(begin, before).Apply(folder); err != nil {
			t.Fatal(err)
		}
		file := map[string]string{"hep": "hep.conf", "link": "hep.conf", "user": "manager.d/voipbl.conf"}[c.files]
		if file != "" {
			if err := os.Remove(filepath.Join(folder, file)); err != nil {
				t.Fatal(err)
			}
		}
		if c.files == "link" {
			if err := os.Symlink("elsewhere", filepath.Join(folder, file)); err != nil {
				t.Fatal(err)
			}
		}
		facts := connected()
		if c.facts != nil {
			c.facts(&facts)
		}
		got := strings.Join(plan(want, facts).Unlike(&facts, c.cfg.HEP, c.cfg.AMI), "; ")
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") || strings.Count(got, "; ") > 0 {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
