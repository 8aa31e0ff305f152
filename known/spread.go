package known

import (
	"cmp"
	"fmt"
	"slices"
)

// manyAddresses is from how many addresses at once an account is registered that a person should
// look at: more than somebody has with a desk phone, two computers and two mobile phones. A mobile
// phone that goes from one network to the next has one address at a time, or a few until their
// registrations end.
const manyAddresses = 6

// Spread is an account that is registered from many addresses at once. Whoever has stolen its
// password may be among them.
type Spread struct {
	Account   string `json:"account"`
	Addresses int    `json:"addresses"`
}

func (s Spread) String() string {
	return fmt.Sprintf("the account %s is registered from %d addresses at once: if they are not all its owner's (\"voipbl phones\"), change its password", s.Account, s.Addresses)
}

// Spread returns the accounts that are registered from many addresses at once, those with most
// addresses first. Registrations that have ended do not count.
func (l List) Spread() []Spread {
	of := make(map[string]int)
	for _, p := range l.Phones {
		if p.Left > 0 {
			of[p.Account]++
		}
	}
	var all []Spread
	for account, n := range of {
		if n >= manyAddresses {
			all = append(all, Spread{account, n})
		}
	}
	slices.SortFunc(all, func(a, b Spread) int {
		return cmp.Or(cmp.Compare(b.Addresses, a.Addresses), cmp.Compare(a.Account, b.Account))
	})
	return all
}

// spreadSince returns the accounts that are registered from many addresses now, and were not before.
func (l List) spreadSince(before List) []Spread {
	old := before.Spread()
	return slices.DeleteFunc(l.Spread(), func(s Spread) bool {
		return slices.ContainsFunc(old, func(o Spread) bool { return o.Account == s.Account })
	})
}
