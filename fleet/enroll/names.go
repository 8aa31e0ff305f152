package enroll

import (
	"path/filepath"

	"github.com/voipbl/voipbl/fleet/keys"
)

// Names are the hosts of the fleet whose hub is below root that are not revoked, for completion. Others
// than root get none.
func Names(root string) (names []string) {
	now, err := read(filepath.Join(root, operator), maxFile)
	if err != nil || now == nil {
		return nil
	}
	op, err := keys.ReadOperator(now.text)
	if err != nil {
		return nil
	}
	for _, h := range op.Hosts {
		if h.Revoked.IsZero() {
			names = append(names, h.Name.String())
		}
	}
	return names
}
