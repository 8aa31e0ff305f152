package enroll

import (
	"slices"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/keys"
)

// unknownNames returns the sites and hosts that a document names and no host of the fleet has: probably
// spelt otherwise than they were added. Whom it revokes may be long gone.
func unknownNames(d document.Document, hosts []keys.Host) (names []string) {
	for _, name := range slices.Concat(d.Trust, d.Hosts) {
		known := slices.ContainsFunc(hosts, func(h keys.Host) bool {
			return h.Name == fleet.Name(name) || h.Name.Site() == name
		})
		if !known && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
