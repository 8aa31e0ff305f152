package bans

import (
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// This file is how the agent keeps the sets of bans equal to the list. A quick check (a
// glance) sees most changes: how many entries the sets have, and whether the list is still the
// file that was read. The full check compares all entries, and needs to know what is exempt,
// for which it looks at all processes.

const (
	// lookEvery is how often the quick check runs, and the least time to the next full check
	// when bans have come and gone.
	lookEvery = 9 * time.Second

	// banPause, times the number of bans, is the time between two full checks when bans have
	// come and gone. Checking one ban costs 2.9 µs (measured), so this takes less than a
	// thousandth of the time. For a full list it is four and a half minutes.
	banPause = 4 * time.Millisecond

	// bansAnyway is the time between two full checks if quick checks find nothing: one entry
	// may have replaced another, an address may have become exempt, and a ban may have ended
	// that lasts longer than the kernel can count.
	bansAnyway = time.Minute
)

// banGlance is the result of a quick check.
type banGlance int

const (
	bansSame    banGlance = iota // nothing
	bansSettled                  // bans have come or gone as expected
	bansChanged                  // somebody else has changed the sets or the list
)

// NextLook makes a quick check, and returns when the next full check is due.
func (b *Book) NextLook(kernel *ipsetsync.Kernel) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	glance := b.glance(kernel)
	if glance == bansChanged {
		return time.Time{}
	}
	pause := max(lookEvery, min(time.Duration(b.table.Len())*banPause, MaxStudy))
	if glance == bansSame {
		pause = max(pause, bansAnyway)
	}
	return b.compared.Add(pause)
}

// glance is the quick check: are the sets and the list as they were at the last full check?
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

// agree notes how many entries the sets have after a full check. If entries have no ban, or
// the list is not written down, it notes nothing, so the next full check comes soon.
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

// listState returns the state of the journal in the state folder.
func (b *Book) listState() (state fetch.FileState) {
	if store, err := fetch.FindStore(b.Cfg.StateDir); err == nil {
		state, _ = store.JournalState(File)
		store.Close()
	}
	return state
}

// MaxStudy is the longest pause between two full checks of the bans, or of the sets.
const MaxStudy = 10 * time.Minute
