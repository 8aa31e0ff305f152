package allowlist

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/deadline"
)

// Most is the largest number of hosts. The list is for single phones, customers and
// technicians; more belong in the configuration.
const Most = 1000

// Entry is an allowed host.
type Entry struct {
	Host   config.Host
	At     time.Time
	Reason string

	For  time.Duration  // how long it is allowed for; 0: no end
	Ends deadline.Clock // when it ends, if For is not 0

	// Addresses are those of a name when it was allowed. They count until newer ones
	// are known.
	Addresses []netip.Addr
}

// New returns an entry that begins now.
func New(host config.Host, reason string, last time.Duration, now deadline.Clock) Entry {
	e := Entry{Host: host, At: now.Wall.UTC().Truncate(time.Second), Reason: reason, For: last}
	if last != 0 {
		e.Ends = now.After(last)
	}
	return e
}

// Until returns when the entry ends by the wall clock; zero if it has no end.
func (e Entry) Until() time.Time {
	if e.For == 0 {
		return time.Time{}
	}
	return e.Ends.Wall.UTC().Truncate(time.Second)
}

// List is one version of the list. The zero List is empty and was never written.
type List struct {
	// Serial grows with each change.
	Serial  int64
	Written deadline.Clock

	// Partial is true if the previous version could not be read; its entries count,
	// too.
	Partial bool

	Entries []Entry // in order
}

// At returns the list at a later moment: without entries that are over, and with ends
// and Written by the clocks of that moment.
func (l List) At(now deadline.Clock) List {
	entries := make([]Entry, 0, len(l.Entries))
	for _, e := range l.Entries {
		if e.For != 0 {
			left := e.Ends.Left(now, l.Written, e.For)
			if left <= 0 {
				continue
			}
			e.Ends = now.After(left)
		}
		entries = append(entries, e)
	}
	l.Entries, l.Written = entries, now
	return l
}

// errFull is returned for a list with [Most] hosts.
var errFull = errors.New("the list is full")

// With returns the list with an entry, which replaces one for the same host.
func (l List) With(e Entry) (List, error) {
	l = l.Without(e.Host)
	if len(l.Entries) >= Most {
		return l, errFull
	}
	l.Entries = append(slices.Clone(l.Entries), e)
	slices.SortFunc(l.Entries, func(a, b Entry) int { return compare(a.Host, b.Host) })
	return l, nil
}

// Without returns the list without the entry for a host.
func (l List) Without(host config.Host) List {
	l.Entries = slices.DeleteFunc(slices.Clone(l.Entries), func(e Entry) bool { return e.Host == host })
	return l
}

// Find returns the entry for a host.
func (l List) Find(host config.Host) (Entry, bool) {
	i := slices.IndexFunc(l.Entries, func(e Entry) bool { return e.Host == host })
	if i < 0 {
		return Entry{}, false
	}
	return l.Entries[i], true
}

// compare puts addresses before names.
func compare(a, b config.Host) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}

// Newest returns the list that counts, of several valid copies.
func Newest(copies []List) (newest List) {
	for _, l := range copies {
		if l.Serial > newest.Serial {
			newest = l
		}
	}
	if !newest.Partial {
		return newest
	}
	var before List
	for _, l := range copies {
		if !l.Partial && l.Serial > before.Serial {
			before = l
		}
	}
	if before.Serial == 0 {
		return newest
	}
	for _, e := range before.At(newest.Written).Entries {
		if _, found := newest.Find(e.Host); !found {
			newest, _ = newest.With(e)
		}
	}
	newest.Partial = false
	return newest
}
