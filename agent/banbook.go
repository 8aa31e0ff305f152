package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// The bans of this host are written down in a journal in the state folder: they outlive
// a boot. What cannot be written there goes into a journal in the run folder, which is
// in memory: then it is at least known for as long as the kernel holds it.
const bansFile = "bans"

// Ban is one address or network that this host blocks by itself, for one reason.
type Ban = banlist.Ban

// banClock is this moment.
func banClock() banlist.Clock {
	return banlist.Clock{Boot: firewall.Boot(), Up: uptime(), Wall: time.Now()}
}

// banBook is the list of bans with the files that it is written down in. Its methods
// are for whoever holds bansLock, but for those that only look.
type banBook struct {
	mu    sync.Mutex // for the agent, in which more than one goroutine uses it
	cfg   config.Config
	table *banlist.Table // nil until it is read

	seen  fetch.FileState // the journal as it was last read or written
	lines int             // in it
	stamp banlist.Clock   // when its last line was written

	unkept fetch.FileState // the journal in the run folder, likewise

	// whole says that the journal has to be written anew as a whole, since it is
	// not what the table holds.
	whole bool

	spoilt bool        // the journal was damaged when it was last read
	unread error       // why it could not be read: it is there, and is not to be written over
	notes  []string    // what has to be said, once
	exempt [2]cidr.Set // what was cut out of the bans the last time

	// agreed is how many entries the sets had when they held what the table says; nil
	// if bans have come or gone since. compared is when that was looked at.
	agreed   *[2]uint32
	compared time.Time

	// strangers are entries of the kernel that no ban is for, each with since when
	// they were seen: they may be bans of a process that is about to write them down.
	// nil is for a book that does not wait for that.
	strangers map[cidr.Prefix]time.Duration
}

// refresh reads the list, unless it has been read and not been changed since. live tells what the kernel blocks, for when the list is lost.
func (b *banBook) refresh(now banlist.Clock, live func() [2]ipsetsync.Timed) {
	store, err := fetch.OpenStore(b.cfg.StateDir)
	if err != nil {
		b.unreadable(err, now, live)
		return
	}
	defer store.Close()
	state, err := store.JournalState(bansFile)
	switch {
	case b.table == nil:
		b.read(store, now, live)
	case err == nil && b.unread == nil && state == b.seen && b.unkeptState() == b.unkept:
	case b.unread == nil && (err != nil || !state.Exists()): // it is known all the same
		b.whole = true
		b.table.Replay(b.readUnkept(), now)
	default: // another process has written it, or it could not be read before
		known, wasRead := b.table, b.unread == nil
		b.read(store, now, live)
		switch { // it is known all the same
		case b.spoilt && wasRead:
			b.table, b.notes = known, b.notes[:1]
			b.adopt(now, live()) // bans of other processes since then
		case b.unread != nil:
			b.table, b.notes = known, nil
			b.table.Replay(b.readUnkept(), now)
		}
	}
}

// restamp has the list written anew when the wall clock was set: after a boot the time
// since it was last written counts.
func (b *banBook) restamp(now banlist.Clock) {
	if b.lines > 0 && now.Leapt(b.stamp) {
		b.whole = true
	}
}

// unkeptState tells whether there is something new in the run folder.
func (b *banBook) unkeptState() (state fetch.FileState) {
	if run, err := fetch.FindStore(b.cfg.RunDir); err == nil {
		state, _ = run.JournalState(bansFile)
		run.Close()
	}
	return state
}

// unreadable is a list that is there and cannot be read just now: the kernel's sets say
// what is banned, and the list stays as it is until it can be read.
func (b *banBook) unreadable(why error, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	if b.table != nil && b.unread == nil {
		b.whole = true // it is known all the same
		return
	}
	b.unread = why
	b.onlyKernel(now, live)
}

// onlyKernel makes the list of what the kernel blocks, and of what is in the run folder.
func (b *banBook) onlyKernel(now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.table = banlist.NewTable()
	b.table.Replay(b.readUnkept(), now)
	b.adopt(now, live())
}

// read reads the list anew.
func (b *banBook) read(store *fetch.Store, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.whole, b.spoilt, b.unread, b.lines, b.stamp = false, false, nil, 0, now
	text, state, err := store.ReadJournal(bansFile)
	shrunk := b.shrunk(state)
	b.seen = state
	switch {
	case isDamaged(err):
		b.damaged(store.SetAsideJournal, err.Error())
		b.onlyKernel(now, live)
		return
	case err != nil:
		b.unread = err
		b.onlyKernel(now, live)
		return
	}
	unkept := b.readUnkept()
	if !state.Exists() {
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
	for _, ban := range older(store, state, now) {
		b.whole = true // and with it that file goes
		b.table.Add(ban)
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
	b.markKept(state)
}

const (
	cutNote    = "the last line of the list of bans was cut short"
	shrunkNote = "the list of bans has lost lines since it was last written"
)

// shrunk reports whether the journal is the same file as before and shorter. Only lines
// are added to it, or another file takes its place.
func (b *banBook) shrunk(state fetch.FileState) bool {
	m, _ := b.keptBefore()
	return m.longerThan(state) || markOf(b.seen).longerThan(state)
}

// readOlder is the list where there is no journal yet: that of an older version, or none.
// If there has been a journal since the last boot, it was taken away.
func (b *banBook) readOlder(store *fetch.Store, unkept []byte, now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.table = banlist.NewTable()
	text, err := store.ReadText(bansFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, before := b.keptBefore(); before {
			b.adopt(now, live())
		}
	case err == nil:
		b.whole = true
		t, err := banlist.DecodeOld(text, now)
		if err == nil {
			b.table = t
			break
		}
		b.damaged(store.SetAsideJSON, err.Error())
		b.adopt(now, live())
	case isDamaged(err):
		b.damaged(store.SetAsideJSON, err.Error())
		b.adopt(now, live())
	default:
		b.unread = err
		b.adopt(now, live())
	}
	b.whole = b.whole || len(unkept) > 0
	b.table.Replay(unkept, now)
}

// isDamaged tells a file that cannot be understood from one that cannot be read just now.
func isDamaged(err error) bool { return errors.As(err, new(*fetch.DamagedError)) }

// older are the bans that an older version has written down after the journal, whose place
// it did not know: somebody went back to it for a while.
func older(store *fetch.Store, journal fetch.FileState, now banlist.Clock) []Ban {
	if state, err := store.JSONState(bansFile); err != nil || !state.NewerThan(journal) {
		return nil
	}
	text, err := store.ReadText(bansFile)
	if err != nil {
		return nil
	}
	t, err := banlist.DecodeOld(text, now)
	if err != nil {
		return nil
	}
	return t.Bans(now)
}

// damaged puts the list aside that cannot be understood.
func (b *banBook) damaged(setAside func(string) (string, error), why string) {
	b.whole, b.spoilt = true, true
	path, err := setAside(bansFile)
	if err != nil {
		b.notes = append(b.notes, fmt.Sprintf("the list of bans is damaged (%s), and could not be put aside: %v", why, err))
		return
	}
	b.notes = append(b.notes, fmt.Sprintf("the list of bans was damaged (%s), and is now %s: what the kernel blocks stays banned", why, path))
}

// sameEnd is how far the kernel's end of an entry may be from that of the ban that has
// made it: both count in different steps.
const sameEnd = time.Minute

// adopt makes bans of what the kernel blocks and the list does not know, or not for so
// long. What a ban has been cut into around exempt addresses is that ban's.
func (b *banBook) adopt(now banlist.Clock, live [2]ipsetsync.Timed) {
	if n := b.adoptAs(banlist.Lost, now, live); n > 0 {
		made := "1 ban was made"
		if n > 1 {
			made = fmt.Sprintf("%d bans were made", n)
		}
		b.notes = append(b.notes, made+" of what the kernel blocks and the list does not have: the reason is not known")
	}
}

func (b *banBook) adoptAs(reason string, now banlist.Clock, live [2]ipsetsync.Timed) (adopted int) {
	var unknown []Ban
	for f := range live {
		for p, left := range live[f] {
			last, known := b.table.BlockedFor(p, now)
			uncounted := last == banlist.Forever || last > ipsetsync.MaxTimeout
			if known && (uncounted || left != banlist.Forever && left <= last+sameEnd) {
				continue
			}
			unknown = append(unknown, banlist.New(p.Netip(), reason, left, now))
		}
	}
	for _, ban := range unknown {
		b.table.Add(ban)
	}
	b.whole = b.whole || len(unknown) > 0
	return len(unknown)
}

// adoptUnwritten makes bans of those entries without a ban that nothing explains: a ban
// that could be written down nowhere, on a full disk. It returns the others, which are to
// leave: what is exempt, what has ended or was taken back, and what another ban was cut
// into.
func (b *banBook) adoptUnwritten(entries []cidr.Prefix, live ipsetsync.Timed, exempt cidr.Set, now banlist.Clock) (leave []cidr.Prefix) {
	var unwritten [2]ipsetsync.Timed
	for _, p := range entries {
		if _, banned := b.table.BlockedFor(p, now); banned || exempt.Overlaps(p) || b.table.Gone(p) {
			leave = append(leave, p)
			continue
		}
		if unwritten[p.Family()] == nil {
			unwritten[p.Family()] = make(ipsetsync.Timed)
		}
		unwritten[p.Family()][p] = live[p]
	}
	if n := b.adoptAs(banlist.Unwritten, now, unwritten); n > 0 {
		b.notes = append(b.notes, fmt.Sprintf("the kernel blocks %s that the list of bans did not have: now it has, with the reason %q", entriesWords(n), banlist.Unwritten))
	}
	return leave
}

// believeKernel makes what could be read of a damaged list agree with the kernel: what
// the kernel does not block was taken back in a line that is lost. That is so only if it
// blocks most of the list: after a boot or a flush there may be a few new bans alone.
func (b *banBook) believeKernel(now banlist.Clock, live [2]ipsetsync.Timed) {
	all := b.table.Bans(now)
	var gone []Ban
	for _, ban := range all {
		p := cidr.FromNetip(ban.Prefix)
		inside := func(q cidr.Prefix) bool { return p.Contains(q) }
		if _, found := live[p.Family()][p]; !found && !slices.ContainsFunc(keys(live[p.Family()], p), inside) {
			gone = append(gone, ban)
		}
	}
	if len(gone)*2 <= len(all) {
		for _, ban := range gone {
			b.table.Remove(ban)
		}
	}
	b.adopt(now, live)
}

// keys are the entries of a set, if a prefix can have some of them inside it.
func keys(set ipsetsync.Timed, p cidr.Prefix) (all []cidr.Prefix) {
	if p.Bits() == p.Family().Bits() {
		return nil
	}
	for q := range set {
		all = append(all, q)
	}
	return all
}

// readUnkept is what could not be written down in the state folder.
func (b *banBook) readUnkept() []byte {
	run, err := fetch.FindStore(b.cfg.RunDir)
	if err != nil {
		return nil
	}
	defer run.Close()
	text, state, err := run.ReadJournal(bansFile)
	if err != nil {
		return nil
	}
	b.unkept = state
	return text
}

// smallJournal is how many bytes a journal may have that cannot be of a full list.
const smallJournal = 4 << 20

// appendOnly writes bans down without reading the list, if nothing of it is needed: what
// they block was free before, the list is not full, and its file ends as it should. It
// returns nil if that is not so.
func (b *banBook) appendOnly(request banRequest, fresh []cidr.Prefix, exempt cidr.Sets, now banlist.Clock) *banAnswer {
	if request.Remove != nil || b.unkeptState().Exists() {
		return nil
	}
	a := &banAnswer{Changed: []Ban{}}
	var lines []byte
	for _, w := range request.Add {
		for _, piece := range banlist.Pieces(cidr.FromNetip(w.Prefix), exempt) {
			if !slices.Contains(fresh, piece) {
				return nil
			}
		}
		ban := banlist.New(w.Prefix, w.Reason, w.For, now)
		ban.Address = w.Address
		a.Changed = append(a.Changed, ban)
		lines = banlist.AppendBan(lines, ban, now)
	}
	store, err := fetch.FindStore(b.cfg.StateDir)
	if err != nil {
		return nil
	}
	defer store.Close()
	state, whole, err := store.JournalEnd(bansFile)
	if err != nil || !whole || state.Size() > smallJournal || b.shrunk(state) {
		return nil
	}
	if other, err := store.JSONState(bansFile); err != nil || other.Exists() {
		return nil
	}
	if state, err = store.AppendJournal(bansFile, lines); err != nil {
		return nil
	}
	b.markKept(state)
	return a
}

// compactAt is how many lines more than twice the bans the journal may have before it is
// written anew.
const compactAt = 4096

// long reports whether the journal, with so many lines more, is to be written anew.
func (b *banBook) long(more int) bool { return b.lines+more > 2*b.table.Len()+compactAt }

// write writes lines down, or if need be the whole list. If that fails they are kept in
// the run folder; the error says why.
func (b *banBook) write(lines []byte, now banlist.Clock) error {
	if len(lines) == 0 && !b.whole && b.unread == nil {
		return nil
	}
	err := b.unread
	if err == nil {
		err = b.keep(lines, now)
	}
	if err == nil {
		b.stamp = now
		return nil
	}
	b.whole = true
	if len(lines) == 0 {
		return err
	}
	if runErr := b.keepAside(lines); runErr != nil {
		return &forgottenBanError{err, runErr}
	}
	return err
}

func (b *banBook) keep(lines []byte, now banlist.Clock) (err error) {
	store, err := fetch.OpenStore(b.cfg.StateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	n := countLines(lines)
	if !b.whole && !b.long(n) {
		state, err := store.AppendJournal(bansFile, lines)
		if err != nil { // it is as it was, and need not be read again for each ban
			b.seen, _ = store.JournalState(bansFile)
			return err
		}
		b.seen, b.lines = state, b.lines+n
		b.markKept(state)
		return nil
	}
	b.table.Expire(now)
	state, err := store.WriteJournal(bansFile, b.table.Encode(now))
	if err != nil {
		return err
	}
	b.seen, b.whole, b.lines = state, false, b.table.Len()
	b.markKept(state)
	return errors.Join(store.RemoveJSON(bansFile), b.forgetUnkept())
}

func countLines(text []byte) (n int) {
	for _, c := range text {
		if c == '\n' {
			n++
		}
	}
	return n
}

// forgetUnkept takes the journal of the run folder away, when all of it has been
// written down.
func (b *banBook) forgetUnkept() error {
	run, err := fetch.FindStore(b.cfg.RunDir)
	if err != nil {
		return nil // there is none
	}
	defer run.Close()
	b.unkept = fetch.FileState{}
	return run.RemoveJournal(bansFile)
}

// banMark says, in the run folder, that there has been a journal since the boot, and how
// long it was at least.
type banMark struct {
	Kernel string `json:"kernel"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Size   int64  `json:"size"`
}

func markOf(state fetch.FileState) banMark {
	device, inode := state.ID()
	return banMark{firewall.Kernel(), device, inode, state.Size()}
}

// longerThan reports whether the mark is of the same file, when it was longer.
func (m banMark) longerThan(state fetch.FileState) bool {
	device, inode := state.ID()
	return m.Device == device && m.Inode == inode && m.Size > state.Size()
}

func (b *banBook) markKept(state fetch.FileState) {
	mark := markOf(state)
	if m, before := b.keptBefore(); before && m == mark {
		return
	}
	if run, err := fetch.OpenStore(b.cfg.RunDir); err == nil {
		run.WriteJSON(bansFile, mark) // without it a list that is lost is empty
		run.Close()
	}
}

// keptBefore is the mark, if it was made since the boot.
func (b *banBook) keptBefore() (m banMark, before bool) {
	run, err := fetch.FindStore(b.cfg.RunDir)
	if err != nil {
		return banMark{}, false
	}
	defer run.Close()
	if run.ReadJSON(bansFile, &m) != nil || m.Kernel != firewall.Kernel() {
		return banMark{}, false
	}
	return m, true
}

// ReadBans are the bans that count now, in order, and what has to be said about the
// list. It changes nothing. What can be read comes with the error.
func ReadBans(cfg config.Config) (bans []Ban, notes []string, err error) {
	now := banClock()
	table, notes, err := (&banBook{cfg: cfg}).look(now)
	return table.Bans(now), notes, err
}

// look reads the list without changing anything.
func (b *banBook) look(now banlist.Clock) (t *banlist.Table, notes []string, err error) {
	t = banlist.NewTable()
	defer func() { t.Replay(b.readUnkept(), now) }()
	store, err := findStore(b.cfg)
	if store == nil || err != nil {
		return t, nil, err
	}
	defer store.Close()
	text, state, err := store.ReadJournal(bansFile)
	if err != nil {
		return t, nil, err
	}
	if !state.Exists() {
		old, err := store.ReadText(bansFile)
		if isAbsent(err) {
			return t, nil, nil
		}
		if err == nil {
			var had *banlist.Table
			if had, err = banlist.DecodeOld(old, now); err == nil {
				return had, nil, nil
			}
		}
		return t, nil, &fetch.DamagedError{Path: bansFile + ".json", Why: err.Error()}
	}
	j := banlist.Decode(text, now)
	if j.Cut {
		notes = append(notes, cutNote+", and is left out")
	}
	if b.shrunk(state) {
		notes = append(notes, shrunkNote)
	}
	for _, ban := range older(store, state, now) {
		j.Table.Add(ban)
	}
	if len(j.Damaged) > 0 {
		err = &DamagedBansError{fetch.JournalName(bansFile), len(j.Damaged), j.Damaged[0]}
	}
	return j.Table, notes, err
}

// DamagedBansError is a list of bans with lines that cannot be understood.
type DamagedBansError struct {
	Path         string
	Lines, First int
}

func (e *DamagedBansError) Error() string {
	return fmt.Sprintf("%s is damaged: %d of its lines cannot be understood, the first is line %d", e.Path, e.Lines, e.First)
}

// Remedy says what to do about it.
func (e *DamagedBansError) Remedy() string {
	return "run \"voipbl sync\": it keeps what can be read and what the kernel blocks"
}

// UnkeptBans reports whether there are bans that are in force and could not be written
// down, so that a boot would lose them.
func UnkeptBans(cfg config.Config) bool { return len((&banBook{cfg: cfg}).readUnkept()) > 0 }

// active is how many bans count now; without a book it is 0.
func (b *banBook) active() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return 0
	}
	b.table.Expire(banClock())
	return b.table.Len()
}

// banned is all that the bans block, as far as that is known.
func (b *banBook) banned() cidr.Sets {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return cidr.Sets{}
	}
	var all cidr.Builder
	for _, blocked := range b.table.Blocked(banClock(), cidr.Sets{}) {
		for p := range blocked {
			all.Add(p)
		}
	}
	return all.Sets()
}

// lockBans takes the lock of the list.
func lockBans(ctx context.Context, cfg config.Config, verb string, wait time.Duration) (func(), error) {
	return lock(ctx, cfg.RunDir, bansLock, verb, wait, nil)
}
