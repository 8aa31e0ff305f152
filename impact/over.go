package impact

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/internal/deadline"
)

// Over reports whether a decision is to be made anew: nobody whom a change waits for holds it any more, or
// the call of somebody who is spared has ended, or his time. banned are those whom a ban blocks by now. It
// costs one look at who talks with this host. If that fails in part, held lists go by what was seen, as the
// decision about them does, so that they do not wait for ever; who is spared stays so until his time ends.
func Over(cfg config.Config, held *Held, spared []Spared, banned cidr.Sets, now deadline.Clock) (bool, error) {
	var named []CutOff
	if held != nil {
		named = append(named, held.Addresses...)
	}
	for _, s := range spared {
		if now.Up-s.Up >= SparedFor || banned.Contains(single(s.Address)) {
			return true, nil
		}
		named = append(named, s.CutOff)
	}
	talking, seen := flows.Now(portsOf(cfg)).Among(func(addr netip.Addr) bool {
		return slices.ContainsFunc(named, func(c CutOff) bool { return c.Address == addr })
	})
	talks := make(map[netip.Addr]CutOff)
	for _, t := range talking.First(talking.Len()) {
		talks[t.Address] = CutOff{Address: t.Address, Flows: t.Flows}
	}
	if seen.Err == nil && slices.ContainsFunc(spared, func(s Spared) bool { return !talks[s.Address].calls() }) {
		return true, nil
	}
	return held != nil && !slices.ContainsFunc(held.Addresses, func(c CutOff) bool {
		return talks[c.Address].Holds() && !banned.Contains(single(c.Address))
	}), seen.Err
}
