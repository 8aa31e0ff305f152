package bans

import (
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// The agent keeps the sets of bans as the list says. A glance tells most: how many
// entries the sets have, and whether the list is the file that was read. To compare them
// takes all entries, and what is exempt, for which all processes are looked at.

const (
	// LookEvery is how often the sets and the list get a glance, and how soon they are
	// compared again after bans have come and gone.
	LookEvery = 9 * time.Second

	// banPause is how long after that the next time is, for each ban: one costs 2.9 µs
	// (measured), so it takes less than a thousandth of the time. For a full list that
	// is every four and a half minutes.
	banPause = 4 * time.Millisecond

	// bansAnyway is how often they are compared if a glance tells nothing: an entry may
	// have taken the place of another, somebody may have become exempt, and bans that
	// last longer than the kernel can count end.
	bansAnyway = time.Minute
)

// banGlance is what a glance at bans tells.
type banGlance int

const (
	bansSame    banGlance = iota // nothing
	bansSettled                  // bans have come or gone, as they should
	bansChanged                  // somebody else has changed the sets or the list
)

// NextLook is when the sets and the list are to be compared, by a glance at them.
func (b *Book) NextLook(kernel *ipsetsync.Kernel) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	glance := b.glance(kernel)
	if glance == bansChanged {
		return time.Time{}
	}
	pause := max(LookEvery, min(time.Duration(b.table.Len())*banPause, MaxStudy))
	if glance == bansSame {
		pause = max(pause, bansAnyway)
	}
	return b.compared.Add(pause)
}

// glance looks whether the sets and the list are as they were when they were compared.
func (b *Book) glance(kernel *ipsetsync.Kernel) banGlance {
	if b.table == nil || b.listState() != b.seen || b.unkeptState() != b.unkept {
		return bansChanged
	}
	if b.agreed == nil {
		return bansSettled
	}
	glance := bansSame
	for _, f := range cidr.Families {
		h, err := kernel.Header(b.Cfg.BanSetName(int(f)))
		before := b.agreed[f]
		switch {
		case err != nil, h.Elements > before, h.Elements*2 < before:
			return bansChanged
		case h.Elements < before:
			glance = bansSettled // they have ended
		}
	}
	return glance
}

// agree remembers how many entries the sets have that were just compared. With entries
// that no ban is for, or a list that is not written down, they are compared again soon.
func (b *Book) agree(kernel *ipsetsync.Kernel) {
	b.agreed, b.compared = nil, time.Now()
	if len(b.Strangers) > 0 || b.whole {
		return
	}
	var agreed [2]uint32
	for _, f := range cidr.Families {
		h, err := kernel.Header(b.Cfg.BanSetName(int(f)))
		if err != nil {
			return
		}
		agreed[f] = h.Elements
	}
	b.agreed = &agreed
}

// listState tells whether the journal is the one that was seen.
func (b *Book) listState() (state fetch.FileState) {
	if store, err := fetch.FindStore(b.Cfg.StateDir); err == nil {
		state, _ = store.JournalState(File)
		store.Close()
	}
	return state
}

const MaxStudy = 10 * time.Minute
