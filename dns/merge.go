package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Answer is what asking for a name once gave.
type Answer struct {
	Addrs   []netip.Addr // each could be a host's, and is there once
	Partial [2]bool      // of IPv4, IPv6: there may be more than these
	Servers bool         // there are SRV records
	Unasked bool         // or there may be, but that is not known
	Err     error        // what went wrong; there may be addresses all the same
	NoHost  bool         // an answer was nothing but what is no host's address
}

// steps is how many gaps between two answers the time takes at least in which an address
// leaves: a host that was off for a month, or whose clock has leapt, knows no more than
// before.
const steps = 4

// Merge is what is known after an answer at now, and whether it had nothing in common
// with what was known before. An address stays until the name has answered without it
// for as long as keep. A name without an answer keeps them all.
func (k Known) Merge(a Answer, keep time.Duration, now time.Time) (next Known, moved bool) {
	next = Known{At: k.At, Moved: k.Moved, Servers: k.Servers, Addresses: slices.Clone(k.Addresses)}
	if a.Err != nil {
		next.Failed = &Failure{Since: now, Why: a.Err.Error(), NoHost: a.NoHost}
		if k.Failed != nil && k.Failed.NoHost == a.NoHost {
			next.Failed.Since = k.Failed.Since
		}
	}
	if len(a.Addrs) == 0 {
		return next, false
	}
	gap := min(max(now.Sub(k.At), 0), keep/steps)
	next.At, next.Addresses = now, nil
	next.Servers = a.Servers || a.Unasked && k.Servers
	unknown := a.Unasked && k.Servers
	common := false
	for _, old := range k.Addresses {
		switch {
		case slices.Contains(a.Addrs, old.Addr):
			common = true
			old.LastSeen, old.Missing = now, 0
		case !unknown && !a.Partial[familyOf(old.Addr)]:
			old.Missing += gap
		}
		if old.Missing < keep {
			next.Addresses = append(next.Addresses, old)
		}
	}
	for _, addr := range a.Addrs {
		if !slices.ContainsFunc(next.Addresses, func(n Address) bool { return n.Addr == addr }) {
			next.Addresses = append(next.Addresses, Address{Addr: addr, FirstSeen: now, LastSeen: now})
		}
	}
	next.Addresses = bounded(next.Addresses, now)
	if moved = len(k.Addresses) > 0 && !common; moved {
		next.Moved = &Move{At: now, To: a.Addrs}
	} else if len(next.Left()) == 0 {
		next.Moved = nil
	}
	return next, moved
}

// bounded are as many addresses as there may be, in order: MaxAddresses of each family of
// the last answer, at that time, and as many that it did not have. Of those the ones that
// were known for the shortest time leave first: an answer full of new addresses takes away
// none that has been good for months.
func bounded(all []Address, last time.Time) []Address {
	var now, before []Address
	for _, a := range all {
		if a.LastSeen.Equal(last) {
			now = append(now, a)
		} else {
			before = append(before, a)
		}
	}
	before = first(before, MaxAddresses, func(a, b Address) int {
		return cmp.Or(cmp.Compare(b.known(), a.known()), b.LastSeen.Compare(a.LastSeen), a.Addr.Compare(b.Addr))
	})
	all = append(first(now, MaxAddresses, newest), before...)
	slices.SortStableFunc(all, func(a, b Address) int { return a.Addr.Compare(b.Addr) })
	return slices.CompactFunc(all, func(a, b Address) bool { return a.Addr == b.Addr })
}

// known is for how long an address was.
func (a Address) known() time.Duration { return a.LastSeen.Sub(a.FirstSeen) }

func newest(a, b Address) int {
	return cmp.Or(b.LastSeen.Compare(a.LastSeen), a.Addr.Compare(b.Addr))
}

// first are the first addresses in some order, so many of each family.
func first(all []Address, most int, order func(a, b Address) int) []Address {
	all = slices.SortedStableFunc(slices.Values(all), order)
	var count [2]int
	return slices.DeleteFunc(all, func(a Address) bool {
		count[familyOf(a.Addr)]++
		return count[familyOf(a.Addr)] > most
	})
}

// familyOf is the place of an address's family: IPv4, IPv6.
func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
