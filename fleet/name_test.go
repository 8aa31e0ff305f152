package fleet

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("a", longestPart)
	for _, s := range []string{"acme_pbx7", "a_b", "0_9", "z_z", "acme_acme", "a-b_c--d", long + "_" + long} {
		n, err := ParseName(s)
		if err != nil || n.String() != s {
			t.Errorf("%q: %q, %v", s, n, err)
		}
		if site, _, _ := strings.Cut(s, "_"); n.Site() != site {
			t.Errorf("%q: the site is %q", s, n.Site())
		}
	}
	for _, s := range []string{
		"", "_", "acme", "acme_", "_pbx7", "acme_pbx7_1", "acme__pbx7", "Acme_pbx7", "acme_PBX7", "acme.pbx_7", "acme_pbx.7",
		"acme_*", "acme_>", "-acme_pbx", "acme-_pbx", "acme_-pbx", "acme_pbx-", "acme_p bx", "acme_pbx7\n", "äcme_pbx", "acme_pb\x00",
		"a/b_c", "a:b_c", "a`b_c", "a{b_c", "a@b_c", long + "a_pbx", "acme_" + long + "a",
	} {
		if n, err := ParseName(s); err == nil || n != "" || !strings.Contains(err.Error(), "acme_pbx7") {
			t.Errorf("%q: %q, %v", s, n, err)
		}
	}
}

func TestIsSite(t *testing.T) {
	for s, want := range map[string]bool{"acme": true, "a-1": true, "": false, "acme_pbx7": false, "Acme": false, "-": false} {
		if IsSite(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
