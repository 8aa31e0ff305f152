package show

import (
	"testing"

	"github.com/voipbl/voipbl/blocklist"
)

// TestBanWords: bans that others of the fleet have made are not called this host's.
func TestBanWords(t *testing.T) {
	for _, c := range []struct {
		all   int
		fleet *blocklist.FleetStatus
		want  string
	}{
		{1, nil, "1 ban of this host"},
		{3, &blocklist.FleetStatus{}, "3 bans of this host"},
		{3, &blocklist.FleetStatus{Bans: 2}, "3 bans, of which 2 of the fleet"},
		{2, &blocklist.FleetStatus{Bans: 2}, "2 bans, of the fleet"},
	} {
		if is := banWords(&blocklist.Status{Bans: c.all, Fleet: c.fleet}); is != c.want {
			t.Errorf("%q, want %q", is, c.want)
		}
	}
}
