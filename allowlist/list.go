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

// Most is how many hosts the list takes. It is for single phones, customers and
// technicians; what is longer belongs into the configuration.
const Most = 1000

// Entry is one host that is allowed.
type Entry struct {
	Host   config.Host
	At     time.Time
	Reason string

	For  time.Duration  // how long it was said to last; 0: until it is taken back
	Ends deadline.Clock // when that is over, if For is not 0

	// Addresses are what a name stood for when it was allowed: for as long as nothing
	// newer is known.
	Addresses []netip.Addr
}

// New is an entry that begins now.
func New(host config.Host, reason string, last time.Duration, now deadline.Clock) Entry {
	e := Entry{Host: host, At: now.Wall.UTC().Truncate(time.Second), Reason: reason, For: last}
	if last != 0 {
		e.Ends = now.After(last)
	}
	return e
}

// Until is when the entry ends by the wall clock; zero if it does not.
func (e Entry) Until() time.Time {
	if e.For == 0 {
		return time.Time{}
	}
	return e.Ends.Wall.UTC().Truncate(time.Second)
}

// List is the list as it was written at one time. The zero List is an empty one that was
// never written.
type List struct {
	// Serial grows with each change.
	Serial  int64
	Written deadline.Clock

	// Partial says that the list before could not be read: what that has counts too.
	Partial bool

	Entries []Entry // in order
}

// At is the list at a later moment: without what is over, and with ends by the clocks of
// that moment. What it was written at then is that moment.
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

// ErrFull is a list that takes no more.
var ErrFull = errors.New("the list is full")

// With is the list with an entry, in place of one for the same host.
func (l List) With(e Entry) (List, error) {
	l = l.Without(e.Host)
	if len(l.Entries) >= Most {
		return l, ErrFull
	}
	l.Entries = append(slices.Clone(l.Entries), e)
	slices.SortFunc(l.Entries, func(a, b Entry) int { return compare(a.Host, b.Host) })
	return l, nil
}

// Without is the list without the entry for a host.
func (l List) Without(host config.Host) List {
	l.Entries = slices.DeleteFunc(slices.Clone(l.Entries), func(e Entry) bool { return e.Host == host })
	return l
}

// Find is the entry for a host.
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

// Newest is the list that counts among copies that are whole.
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
