package bans

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// The bans of this host are written down in a journal in the state folder: they outlive
// a boot. What cannot be written there goes into a journal in the run folder, which is
// in memory: then it is at least known for as long as the kernel holds it.
const File = "bans"

// Ban is one address or network that this host blocks by itself, for one reason.
type Ban = banlist.Ban

// Book is the list of bans with the files that it is written down in. Its methods
// are for whoever holds bansLock, but for those that only look.
type Book struct {
	mu    sync.Mutex // for the agent, in which more than one goroutine uses it
	Cfg   config.Config
	sets  setnames.BanSets // that a change goes into; none: those of the configuration
	table *banlist.Table   // nil until it is read

	seen  fetch.FileState // the journal as it was last read or written
	lines int             // in it
	stamp banlist.Clock   // when its last line was written

	unkept fetch.FileState // the journal in the run folder, likewise

	// amongLists says that an older version has put the bans into the set of the lists,
	// where they stay until a sync has moved them.
	amongLists bool

	// whole says that the journal has to be written anew as a whole, since it is
	// not what the table holds.
	whole bool

	spoilt bool        // the journal was damaged when it was last read
	older  error       // that of an older version is damaged and could not be put aside
	Unread error       // why it could not be read: it is there, and is not to be written over
	notes  []string    // what has to be said, once
	lost   bool        // they say that bans of an older version may be lost
	exempt [2]cidr.Set // what was cut out of the bans the last time

	sessions map[netip.Prefix]bool // who is logged in, see noteSessions

	// agreed is how many entries the sets had when they held what the table says; nil
	// if bans have come or gone since. compared is when that was looked at.
	agreed   *[2]uint32
	compared time.Time

	// strangers are entries of the kernel that no ban is for, each with since when
	// they were seen: they may be bans of a process that is about to write them down.
	// nil is for a book that does not wait for that.
	Strangers map[cidr.Prefix]time.Duration
}

// refresh reads the list, unless it has been read and not been changed since. live tells
// what the kernel blocks, for when the list is lost.
func (b *Book) refresh(now banlist.Clock, live func() [2]ipsetsync.Timed) {
	store, err := fetch.OpenStore(b.Cfg.StateDir)
	if err != nil {
		b.unreadable(err, now, live)
		return
	}
	defer store.Close()
	state, err := store.JournalState(File)
	switch {
	case b.table == nil:
		b.read(store, now, live)
	case err == nil && b.Unread == nil && state == b.seen && b.unkeptState() == b.unkept:
	case b.Unread == nil && (err != nil || !state.Exists()): // it is known all the same
		b.whole = true
		b.table.Replay(b.readUnkept(), now)
	default: // another process has written it, or it could not be read before
		known, wasRead := b.table, b.Unread == nil
		b.read(store, now, live)
		switch { // it is known all the same
		case b.spoilt && wasRead:
			b.table, b.notes = known, b.notes[:1]
			b.adopt(now, live()) // bans of other processes since then
		case b.Unread != nil:
			b.table, b.notes = known, nil
			b.table.Replay(b.readUnkept(), now)
		}
	}
}

// unreadable is a list that is there and cannot be read just now: the kernel's sets say
// what is banned, and the list stays as it is until it can be read.
func (b *Book) unreadable(why error, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	if b.table != nil && b.Unread == nil {
		b.whole = true // it is known all the same
		return
	}
	b.Unread = why
	b.onlyKernel(now, live)
}

// read reads the list anew.
func (b *Book) read(store *fetch.Store, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.whole, b.spoilt, b.Unread, b.older, b.lines, b.stamp = false, false, nil, nil, 0, now
	text, known, err := store.ReadJournal(File)
	shrunk := b.shrunk(known)
	b.seen = known
	switch {
	case state.IsDamaged(err):
		b.damaged(store.SetAsideJournal, err.Error())
		b.onlyKernel(now, live)
		return
	case err != nil:
		b.Unread = err
		b.onlyKernel(now, live)
		return
	}
	unkept := b.readUnkept()
	if !known.Exists() {
		b.readOlder(store, unkept, now, live)
		return
	}
	j := banlist.Decode(text, now)
	if j.Cut {
		b.whole = true
		b.notes = append(b.notes, cutNote+": what the kernel blocks stays banned")
		text = text[:j.Size]
	}
	all := j
	if len(unkept) > 0 {
		b.whole = true
		all = banlist.Decode(slices.Concat(text, unkept), now)
	}
	b.table, b.lines, b.stamp = all.Table, j.Lines, j.Last
	since, err := older(b.Cfg, store, known, now)
	for _, ban := range since {
		b.whole = true // and with it that file goes
		b.table.Add(ban)
	}
	if err != nil {
		b.damagedOld(store, len(since), err)
	}
	if j.Lines > 0 && j.Last.Leapt(now) {
		b.whole = true // the ends are to be known by this boot's clock
	}
	if len(j.Damaged) > 0 {
		b.damaged(store.SetAsideJournal, fmt.Sprintf("%d of its lines cannot be understood, the first is line %d", len(j.Damaged), j.Damaged[0]))
		b.believeKernel(now, live())
		return
	}
	if shrunk {
		b.whole, b.spoilt = true, true
		b.notes = append(b.notes, shrunkNote+": what the kernel blocks stays banned")
	}
	if shrunk || j.Cut {
		b.believeKernel(now, live())
		return
	}
	b.markKept(known)
}

const (
	cutNote    = "the last line of the list of bans was cut short"
	shrunkNote = "the list of bans has lost lines since it was last written"
)

// readOlder is the list where there is no journal yet: that of an older version, or none.
// If there has been a journal since the last boot, it was taken away.
func (b *Book) readOlder(store *fetch.Store, unkept []byte, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.table = banlist.NewTable()
	text, err := store.ReadText(File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, before := b.keptBefore(); before {
			b.adopt(now, live())
		}
	case err == nil:
		b.whole, b.amongLists = true, true
		if b.table, err = banlist.DecodeOld(text, now, widestBan(b.Cfg)); err != nil {
			b.damagedOld(store, b.table.Len(), err)
			b.adopt(now, live())
		}
	case state.IsDamaged(err):
		b.damagedOld(store, 0, err)
		b.adopt(now, live())
	default:
		b.Unread = err
		b.adopt(now, live())
	}
	b.whole = b.whole || len(unkept) > 0
	b.table.Replay(unkept, now)
}

// older are the bans that an older version has written down after the journal, whose place
// it did not know: somebody went back to it for a while. The error says that they are not
// all.
func older(cfg config.Config, store *fetch.Store, journal fetch.FileState, now banlist.Clock) ([]Ban, error) {
	if state, err := store.JSONState(File); err != nil || !state.NewerThan(journal) {
		return nil, nil
	}
	text, err := store.ReadText(File)
	if err != nil {
		return nil, nil
	}
	t, err := banlist.DecodeOld(text, now, widestBan(cfg))
	return t.Bans(now), err
}

// Active is how many bans count now; without a book it is 0.
func (b *Book) Active() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return 0
	}
	b.table.Expire(state.Clock())
	return b.table.Len()
}

// Banned is all that the bans block, as far as that is known.
func (b *Book) Banned() cidr.Sets {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return cidr.Sets{}
	}
	var all cidr.Builder
	for _, blocked := range b.table.Blocked(state.Clock(), cidr.Sets{}) {
		for p := range blocked {
			all.Add(p)
		}
	}
	return all.Sets()
}

// lockBans takes the lock of the list.
func lockBans(ctx context.Context, cfg config.Config, verb string, wait time.Duration) (func(), error) {
	return state.Lock(ctx, cfg.RunDir, state.BansLock, verb, wait, nil)
}
