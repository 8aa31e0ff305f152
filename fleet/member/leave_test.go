package member

import "testing"

// TestLeaves: a host that is to be in no fleet any more takes back what it has
// said, and the others take its bans out.
func TestLeaves(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	one.bans(addr(1), addr(2))
	one.run(t)
	other.run(t)
	eventually(t, "both bans", func() bool { return other.holds(addr(1), addr(2)) })
	hubs := one.settings.Hubs
	one.set(func() { one.settings.Hubs = nil })
	eventually(t, "no ban", func() bool { return other.holds() })
	one.set(func() { one.settings.Hubs = hubs })
	eventually(t, "both bans again", func() bool { return other.holds(addr(1), addr(2)) })
}
