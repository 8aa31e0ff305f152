package impact

import (
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/internal/deadline"
)

const (
	// SparedFor is the longest time for which an address is spared whose call goes on.
	SparedFor = time.Hour

	// mostSpared is how many addresses are spared at a time. Those before keep their place.
	mostSpared = 64
)

// Held is a change of the lists that waits: the lists before it stay in force.
type Held struct {
	Since time.Time `json:"since"`

	// Those for whom it waits, with their calls and TCP connections.
	Addresses []CutOff `json:"addresses"` // the first 32
	More      int      `json:"more"`      // how many others there are
}

// Spared is an address that a list has, and that is not blocked while its call goes on.
type Spared struct {
	CutOff
	Since time.Time     `json:"since"`
	Up    time.Duration `json:"up"` // the same, since this host was booted
}

// Until is when an address is blocked even if its call goes on.
func (s Spared) Until() time.Time { return s.Since.Add(SparedFor) }

// Decision is what becomes of a change of the lists. Without a change that cuts somebody off, it is
// zero.
type Decision struct {
	Held   *Held    // it waits
	Spared []Spared // it is made, without these
	Cut    *Report  // whom it cuts off all the same
}

// calls reports whether there is a call with an address.
func (c CutOff) calls() bool {
	return slices.ContainsFunc(c.Flows, func(f flows.UsedFlow) bool { return f.Use == flows.Call })
}

// Holds reports whether a change of the lists may wait for an address: it has a call, or a TCP
// connection. SIP over UDP counts for nothing: whoever scans this host has that.
func (c CutOff) Holds() bool {
	return c.calls() || slices.ContainsFunc(c.Flows, func(f flows.UsedFlow) bool { return f.Proto == "tcp" })
}

// Untracked reports that the kernel tracks no connections, so that calls are not known.
func (c *Change) Untracked() bool { return c != nil && c.untracked }

// Holders returns the addresses for which a change may wait, if on says so.
func (c *Change) Holders(on string) cidr.Sets {
	var all []cidr.Prefix
	if c != nil && on == config.ImpactHold {
		for _, cut := range c.all {
			if cut.Holds() {
				all = append(all, single(cut.Address))
			}
		}
	}
	return cidr.SetOf(all...)
}

// InForce is what the lists in force block.
type InForce struct {
	Any     bool      // they block anybody
	Holders cidr.Sets // at least what they have of those for whom a change may wait; see [Change.Holders]
}

// Decide decides what becomes of a change, by config.Config.OnImpact. A change waits only for those whom
// the lists in force leave alone. spared are those who were spared before.
func (c *Change) Decide(on string, inForce InForce, spared []Spared, now deadline.Clock) (d Decision) {
	if c == nil {
		return d
	}
	if on == config.ImpactHold && inForce.Any { // holding nothing would protect nobody
		for _, cut := range c.all {
			if cut.Holds() && !inForce.Holders.Contains(single(cut.Address)) {
				d.Held = d.Held.with(cut, now.Wall)
			}
		}
		if d.Held != nil {
			return d
		}
	}
	if on == config.ImpactProtect {
		d.Spared = spare(c.all, spared, now)
	}
	d.Cut = c.report(func(addr netip.Addr) bool {
		return !slices.ContainsFunc(d.Spared, func(s Spared) bool { return s.Address == addr })
	})
	return d
}

// Except returns the addresses that are spared.
func (d Decision) Except() cidr.Sets {
	var all []cidr.Prefix
	for _, s := range d.Spared {
		all = append(all, single(s.Address))
	}
	return cidr.SetOf(all...)
}

func (h *Held) with(cut CutOff, now time.Time) *Held {
	if h == nil {
		h = &Held{Since: now.UTC().Truncate(time.Second), Addresses: []CutOff{}}
	}
	if len(h.Addresses) == maxAddresses {
		h.More++
		return h
	}
	h.Addresses = append(h.Addresses, cut)
	return h
}

// After keeps the time since when a change waits, if one has waited before.
func (h *Held) After(before *Held) *Held {
	if h != nil && before != nil {
		h.Since = before.Since
	}
	return h
}

// spare returns who of those with calls is spared: for an hour at most, and those first who were before.
func spare(all []CutOff, before []Spared, now deadline.Clock) (spared []Spared) {
	var others []Spared
	for _, cut := range all {
		if !cut.calls() {
			continue
		}
		i := slices.IndexFunc(before, func(s Spared) bool { return s.Address == cut.Address })
		switch {
		case i < 0:
			others = append(others, Spared{cut, now.Wall.UTC().Truncate(time.Second), now.Up})
		case now.Up-before[i].Up < SparedFor:
			spared = append(spared, Spared{cut, before[i].Since, before[i].Up})
		}
	}
	return append(spared, others[:max(0, min(len(others), mostSpared-len(spared)))]...)
}
