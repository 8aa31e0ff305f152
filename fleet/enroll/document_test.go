package enroll

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testdocument"
)

// TestOneSite: the operator is told if all hosts are of one site, whose word counts nowhere by itself.
func TestOneSite(t *testing.T) {
	h := &hubRun{op: &keys.Operator{}}
	is := func(name string, revoked bool) HostStatus {
		s := HostStatus{Name: fleet.Name(name)}
		if revoked {
			s.Revoked = time.Now()
		}
		return s
	}
	for _, row := range []struct {
		name  string
		hosts []HostStatus
		want  string
	}{
		{"none", nil, ""},
		{"one host", []HostStatus{is("acme_pbx1", false)}, ""},
		{"two of a site", []HostStatus{is("acme_pbx1", false), is("acme_pbx2", false)}, "acme"},
		{"two sites", []HostStatus{is("acme_pbx1", false), is("acme_pbx2", false), is("zeta_pbx1", false)}, ""},
		{"the other one is revoked", []HostStatus{is("zeta_pbx1", true), is("acme_pbx1", false), is("acme_pbx2", false)}, "acme"},
	} {
		if got := h.oneSite(row.hosts, &hub.Survey{}); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
	operator := testdocument.New(t)
	h.op.DocumentKey = operator.Key().Public().String()
	hosts := []HostStatus{is("acme_pbx1", false), is("acme_pbx2", false)}
	for text, want := range map[string]string{"serial: 1\ntrust: [acme]\n": "", "serial: 1\ntrust: [acme_pbx2]\n": "", "serial: 1\ntrust: [zeta]\n": "acme"} {
		if got := h.oneSite(hosts, &hub.Survey{Document: operator.Sign(text)}); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
