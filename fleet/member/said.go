package member

import (
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

// slots are this host's bans as it says them.
func slots(own []link.Ban) [fleet.Slots][]fleet.Said {
	var all []fleet.Said
	for _, b := range own {
		said := fleet.Said{Addr: b.Addr, Age: b.Age, Left: b.Left, Why: b.Why, Proved: b.Proved}
		if b.Left == 0 {
			said.Left = -1 // no end
		}
		all = append(all, said)
	}
	return fleet.Divide(all)
}

// carried is a ban that is in force here, as hosts have said it, and who they are.
func carried(b link.Ban) (by []fleet.Name, said fleet.Said, ok bool) {
	for _, name := range b.By {
		if n, err := fleet.ParseName(name); err == nil {
			by = append(by, n)
		}
	}
	said = fleet.Said{Addr: b.Addr, Age: b.Age, Left: b.Left, Why: b.Why, Proved: b.Proved}
	return by, said, len(by) > 0 && b.Addr.IsValid() && b.Left > 0
}

// banOf is a verdict as the agent is told of it at a time, by this host's uptime.
func banOf(v fleet.Verdict, now time.Duration) link.Ban {
	b := link.Ban{Addr: v.Addr, Age: max(0, now-v.Made), Left: v.Until - now, Why: v.Why, Proved: v.Proved}
	for _, n := range v.By {
		b.By = append(b.By, n.String())
	}
	return b
}
