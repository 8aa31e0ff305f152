package known

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/pbx"
)

const (
	// ListGrace is how long after the end of its registration an address is not blocked by a
	// list: a weekend and a holiday, in which a phone may be off.
	ListGrace = 7 * 24 * time.Hour

	// LimitsGrace is how long after that the limits of base rules do not apply: a phone that
	// comes back later is one among many, and the limits let it in.
	LimitsGrace = time.Hour

	// RenewedEvery is how often the agent is told of phones that have renewed their registration. The
	// shortest grace is an hour.
	RenewedEvery = 5 * time.Minute
)

// Phone is an address that has proved a password for an account.
type Phone struct {
	Addr      netip.Addr
	Account   string
	Transport string
	Since     time.Time // when this address first did

	// Left is the time from the list's Written to the end of the registration, or of the last
	// proof. It is negative if that is over.
	Left time.Duration
}

// List is one version of the list. The zero List is empty and was never written.
type List struct {
	Serial  int64 // grows with each change
	Written deadline.Clock
	Phones  []Phone // by address and account
}

// At returns the list at a later moment, without phones whose time is over.
func (l List) At(now deadline.Clock) List {
	passed := now.Passed(l.Written)
	phones := make([]Phone, 0, len(l.Phones))
	for _, p := range l.Phones {
		p.Left -= passed
		if p.Left > -ListGrace {
			phones = append(phones, p)
		}
	}
	l.Phones, l.Written = phones, now
	return l
}

func compare(a, b Phone) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Account, b.Account))
}

func (l List) find(p Phone) (at int, found bool) {
	return slices.BinarySearchFunc(l.Phones, p, compare)
}

// Has reports whether any account is known from an address.
func (l List) Has(addr netip.Addr) bool {
	at, _ := l.find(Phone{Addr: addr})
	return at < len(l.Phones) && l.Phones[at].Addr == addr
}

// with returns the list with phones, each in place of the same one before. A phone keeps the time
// since when it is known.
func (l List) with(phones []Phone) List {
	l.Phones = slices.Clone(l.Phones)
	for _, p := range phones {
		at, found := l.find(p)
		if found {
			p.Since = l.Phones[at].Since
			l.Phones[at] = p
			continue
		}
		l.Phones = slices.Insert(l.Phones, at, p)
	}
	return l.bounded()
}

// bounded drops phones of each account that has too many addresses, and of all those whose
// registrations end first.
func (l List) bounded() List {
	of := make(map[string][]Phone)
	for _, p := range l.Phones {
		of[p.Account] = append(of[p.Account], p)
	}
	var kept []Phone
	for _, phones := range of {
		kept = append(kept, boundedOf(phones)...)
	}
	if len(kept) > pbx.MostPhones {
		slices.SortFunc(kept, byEnd)
		kept = kept[:pbx.MostPhones]
	}
	if len(kept) < len(l.Phones) {
		slices.SortFunc(kept, compare)
		l.Phones = kept
	}
	return l
}

// boundedOf returns as many phones of an account as it may have: see [pbx.MostOfAccount].
func boundedOf(phones []Phone) []Phone {
	over := len(phones) - pbx.MostOfAccount
	if over <= 0 {
		return phones
	}
	slices.SortFunc(phones, byEnd)
	for ; over > 0 && phones[len(phones)-1].Left <= -pbx.InUse; over-- {
		phones = phones[:len(phones)-1]
	}
	slices.SortFunc(phones, func(a, b Phone) int { return cmp.Or(a.Since.Compare(b.Since), compare(a, b)) })
	const half = pbx.MostOfAccount / 2
	return slices.Delete(phones, half, half+over)
}

// byEnd orders phones: the one whose registration ends last comes first.
func byEnd(a, b Phone) int { return cmp.Or(cmp.Compare(b.Left, a.Left), compare(a, b)) }

// without returns the list without the phones in networks, and those phones.
func (l List) without(networks []netip.Prefix) (rest List, gone []Phone) {
	rest, rest.Phones = l, nil
	for _, p := range l.Phones {
		if slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(p.Addr) }) {
			gone = append(gone, p)
		} else {
			rest.Phones = append(rest.Phones, p)
		}
	}
	return rest, gone
}

// Addresses returns the addresses that no list may block, each with its accounts.
func (l List) Addresses() map[netip.Addr][]string {
	all := make(map[netip.Addr][]string)
	for _, p := range l.Phones {
		all[p.Addr] = append(all[p.Addr], p.Account)
	}
	return all
}

// Unlimited returns, by address, how long the limits of base rules do not apply to it.
func (l List) Unlimited() map[netip.Addr]time.Duration {
	all := make(map[netip.Addr]time.Duration)
	for _, p := range l.Phones {
		if left := p.Left + LimitsGrace; left > 0 {
			all[p.Addr] = max(all[p.Addr], left)
		}
	}
	return all
}
