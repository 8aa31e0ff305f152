package hub

import (
	"fmt"
	"os"
	"testing"

	"github.com/voipbl/voipbl/fleet"
)

// TestFirstUsers: a hub with no store that all connect with at once has what they say.
func TestFirstUsers(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	var all []*host
	for i := range 8 {
		all = append(all, h.join(fleet.Name(fmt.Sprintf("acme_pbx%d", i))))
	}
	for n := range 3 {
		h.Kill()
		h.must(os.RemoveAll(h.Store))
		for _, o := range all {
			o.says(addresses(n + 1)...)
		}
		h.Run()
		for _, o := range all {
			for _, other := range all {
				o.awaitHears(fleet.Name(other.member.name), addresses(n+1)...)
			}
			o.awaitSaid()
		}
	}
}
