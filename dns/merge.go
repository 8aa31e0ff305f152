package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Answer is the result of asking for a name once.
type Answer struct {
	Addrs   []netip.Addr // possible addresses of hosts, without duplicates
	Partial [2]bool      // by family: there may be more addresses
	Servers bool         // the name has SRV records
	Unasked bool         // it is not known whether the name has SRV records
	Err     error        // the first error; Addrs may still have addresses
	NoHost  bool         // an answer had only addresses that no host can have
}

// steps is how many answers at least must lack an address before it is dropped. So a
// host that was off for a month, or whose clock has jumped, does not drop addresses
// after one answer.
const steps = 4

// Merge returns the history of a name after an answer at now. moved reports whether the
// answer had none of the addresses known before. An address is dropped after the name's
// answers have lacked it for keep. A name without an answer keeps all its addresses.
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

// bounded limits the addresses: MaxAddresses of each family from the last answer, which
// came at last, and as many from before. Of the latter it drops those first that were
// known for the shortest time, so that an answer full of new addresses does not push out
// one that was good for months.
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

// known returns for how long an address was in the answers.
func (a Address) known() time.Duration { return a.LastSeen.Sub(a.FirstSeen) }

func newest(a, b Address) int {
	return cmp.Or(b.LastSeen.Compare(a.LastSeen), a.Addr.Compare(b.Addr))
}

// first returns the first addresses in the given order, at most most of each family.
func first(all []Address, most int, order func(a, b Address) int) []Address {
	all = slices.SortedStableFunc(slices.Values(all), order)
	var count [2]int
	return slices.DeleteFunc(all, func(a Address) bool {
		count[familyOf(a.Addr)]++
		return count[familyOf(a.Addr)] > most
	})
}

// familyOf returns the index of an address's family: 0 for IPv4, 1 for IPv6.
func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
