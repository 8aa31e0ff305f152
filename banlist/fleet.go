package banlist

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Fleet is the reason of bans that other hosts of the fleet have made; the evidence says which
// hosts. All have an end. They yield: a full list evicts them before any other ban, and
// takes no more of them. One without an end is none of them: somebody has written it into the
// journal by hand.
const Fleet = "fleet"

// OfFleet returns how many bans of the fleet there are, including those that are over and not yet
// removed.
func (t *Table) OfFleet() int { return len(t.yielding) }

// FindFleet returns the fleet's ban of a prefix.
func (t *Table) FindFleet(p netip.Prefix) (Ban, bool) {
	if !p.IsValid() {
		return Ban{}, false
	}
	e := t.find(&entry{prefix: cidr.FromNetip(p), reason: Fleet})
	if e == nil {
		return Ban{}, false
	}
	return e.ban(), true
}

// Each calls do with every ban that is in force at now, in no order, until it returns false. Their Until may
// be by a wall clock that was set since: see [Table.Bans].
func (t *Table) Each(now Clock, do func(Ban) bool) {
	for e := range t.entries() {
		if !e.over(now) && !do(e.ban()) {
			return
		}
	}
}

// Older returns the ban as one that somebody made so long before it began here. Its end stays.
func (b Ban) Older(age time.Duration) Ban {
	b.At = b.At.Add(-age).Truncate(time.Second)
	if b.For != 0 {
		b.For += age
	}
	return b
}

// StandIn reports whether the real reason of a ban is not known.
func (b Ban) StandIn() bool { return b.standIn() }
