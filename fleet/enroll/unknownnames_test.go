package enroll

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestUnknownNames: what a document trusts or lists and nobody was added by, once each; not whom it revokes.
func TestUnknownNames(t *testing.T) {
	d := document.Document{FleetDocument: config.FleetDocument{
		Trust: []string{"acme", "acme_pbx1", "acne", "acme_pbx11"}, Hosts: []string{"acme_pbx1", "zeta_pbx1", "acme_pbx11"}, Revoked: []string{"gone_pbx1"},
	}}
	hosts := []keys.Host{{Name: "acme_pbx1"}, {Name: "zeta_pbx2"}}
	if got := unknownNames(d, hosts); !slices.Equal(got, []string{"acne", "acme_pbx11", "zeta_pbx1"}) {
		t.Errorf("%q", got)
	}
}
