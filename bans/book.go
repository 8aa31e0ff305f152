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

// File is the name of the journal of this host's bans. It is in the state folder, so that bans
// survive a boot. What cannot be written there goes into a journal of the same name in the run
// folder, which is in memory and so lasts as long as the kernel's sets.
const File = "bans"

// Ban is one address or network that this host bans itself, for one reason.
type Ban = banlist.Ban

// Book is the list of bans and the files that hold it. A caller of its methods must hold
// state.BansLock, except for those that only read.
type Book struct {
	mu    sync.Mutex // in the agent, several goroutines use the book
	Cfg   config.Config
	sets  setnames.BanSets // the sets that a change goes into; if none, those of the configuration
	table *banlist.Table   // nil until it is read

	seen  fetch.FileState // the journal as it was last read or written
	lines int             // in the journal
	stamp banlist.Clock   // when its last line was written

	unkept fetch.FileState // the same of the journal in the run folder

	// amongLists: an older version put the bans into the set of the lists, where they stay
	// until a sync moves them.
	amongLists bool

	// whole: the journal must be rewritten as a whole, since it differs from the table.
	whole bool

	spoilt bool        // the journal was damaged when it was last read
	older  error       // set if the list of an older version is damaged and could not be put aside
	Unread error       // why the list could not be read; then it must not be overwritten
	notes  []string    // to be reported once
	lost   bool        // notes say that bans of an older version may be lost
	exempt [2]cidr.Set // what was last cut out of the bans

	sessions map[netip.Prefix]bool // peers of login sessions, see noteSessions

	// News has what is banned through this book; nil if nobody asks.
	News *News

	own changes // of this host's own bans

	vetoes vetoes // against bans of the fleet

	// agreed is how many entries the sets had when they were last equal to the table; nil if
	// bans have come or gone since. compared is when sets and table were last compared.
	agreed   *[2]uint32
	compared time.Time

	// Strangers are entries in the kernel without a ban, and since when each was seen: a
	// process may be about to write its ban down. A book with nil does not wait for that.
	Strangers map[cidr.Prefix]time.Duration
}

// refresh reads the list if it has changed since it was read. live returns what the kernel
// blocks, for the case that the list is lost.
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
	case b.Unread == nil && (err != nil || !state.Exists()): // the table still has it
		b.whole = true
		b.table.Replay(b.readUnkept(), now)
	default: // another process has written the list, or it could not be read before
		b.News.miss()
		b.own.another()
		known, wasRead := b.table, b.Unread == nil
		b.read(store, now, live)
		switch { // the table still has it
		case b.spoilt && wasRead:
			b.table, b.notes = known, b.notes[:1]
			b.adopt(now, live()) // bans that other processes added since
		case b.Unread != nil:
			b.table, b.notes = known, nil
			b.table.Replay(b.readUnkept(), now)
		}
	}
}

// unreadable handles a list that exists but cannot be read now: the table is made from the
// kernel's sets, and the list stays untouched until it can be read.
func (b *Book) unreadable(why error, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	if b.table != nil && b.Unread == nil {
		b.whole = true // the table still has it
		return
	}
	b.Unread = why
	b.onlyKernel(now, live)
}

// read reads the list again.
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
		b.whole = true // which also removes the file in the run folder
		b.table.Add(ban)
	}
	if err != nil {
		b.damagedOld(store, len(since), err)
	}
	if j.Lines > 0 && j.Last.Leapt(now) {
		b.whole = true // so that the ends are by this boot's clock
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

// readOlder reads the list of an older version, if any, where there is no journal. If there
// was a journal since the last boot, somebody has deleted it.
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

// older returns bans that an older version wrote into its own file after the journal was last
// written, because somebody went back to that version for a while. With an error, some may be
// missing.
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

// Active is how many bans are active now; 0 for a nil book.
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

// Banned returns all that the known bans block.
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
