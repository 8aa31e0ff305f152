package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

// bansFile keeps the bans of this host in the state folder: they outlive a boot.
const bansFile = "bans"

// maxBans bounds them, so that the file stays below what a small value may have
// ([fetch.Store.WriteJSON]: 8 MiB, with reasons of maxReason bytes).
const (
	maxBans   = 10_000
	maxReason = 100
)

// Ban is one address or network that this host blocks by itself.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"`
	At     time.Time    `json:"at"`
	Until  time.Time    `json:"until,omitzero"` // zero: until it is taken back
	Reason string       `json:"reason,omitempty"`
}

// over reports whether a ban has expired.
func (b Ban) over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// banList is the content of the file. Serial counts its changes, so that one can
// tell which of them are in force.
type banList struct {
	Serial int64 `json:"serial"`
	Bans   []Ban `json:"bans"` // in order of their prefixes
}

// readBans reads the list; where there is none it is empty.
func readBans(store *fetch.Store) (banList, error) {
	var l banList
	if store == nil {
		return l, nil
	}
	if err := store.ReadJSON(bansFile, &l); err != nil && !isAbsent(err) {
		return banList{}, err
	}
	for i, b := range l.Bans {
		if !b.Prefix.IsValid() {
			return banList{}, &fetch.DamagedError{Path: bansFile + ".json", Why: fmt.Sprintf("its ban number %d has no address", i+1)}
		}
		l.Bans[i].Prefix = cidr.FromNetip(b.Prefix).Netip()
	}
	// Somebody may have edited it.
	slices.SortStableFunc(l.Bans, func(a, b Ban) int { return cidr.FromNetip(a.Prefix).Compare(cidr.FromNetip(b.Prefix)) })
	return l, nil
}

// add puts a ban in; one of the same prefix makes way for it.
func (l *banList) add(b Ban) {
	i, found := l.find(b.Prefix)
	if found {
		l.Bans[i] = b
		return
	}
	l.Bans = slices.Insert(l.Bans, i, b)
}

// remove takes the ban of a prefix out, and reports whether there was one.
func (l *banList) remove(p netip.Prefix) bool {
	i, found := l.find(p)
	if found {
		l.Bans = slices.Delete(l.Bans, i, i+1)
	}
	return found
}

func (l *banList) find(p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(l.Bans, p, func(b Ban, p netip.Prefix) int {
		return cidr.FromNetip(b.Prefix).Compare(cidr.FromNetip(p))
	})
}

// expire takes out what is over, and reports whether there was any.
func (l *banList) expire(now time.Time) bool {
	before := len(l.Bans)
	l.Bans = slices.DeleteFunc(l.Bans, func(b Ban) bool { return b.over(now) })
	return len(l.Bans) < before
}

// active are the bans that count at now.
func (l *banList) active(now time.Time) []Ban {
	return slices.DeleteFunc(slices.Clone(l.Bans), func(b Ban) bool { return b.over(now) })
}

// sets are the prefixes of the bans that count at now.
func (l *banList) sets(now time.Time) cidr.Sets {
	var b cidr.Builder
	for _, ban := range l.active(now) {
		b.Add(cidr.FromNetip(ban.Prefix))
	}
	return b.Sets()
}

// nextExpiry is when the next ban is over; zero if none ever is.
func (l *banList) nextExpiry() time.Time {
	var next time.Time
	for _, b := range l.Bans {
		if !b.Until.IsZero() && (next.IsZero() || b.Until.Before(next)) {
			next = b.Until
		}
	}
	return next
}
