package bans

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
)

// This file writes the list of bans: it appends lines to the journal, and now and then
// rewrites it. If the state folder cannot be written to, lines go into the run folder.

// restamp makes the next write rewrite the list if the wall clock was set, because after a boot
// the time since the last write is taken off each ban.
func (b *Book) restamp(now banlist.Clock) {
	if b.lines > 0 && now.Leapt(b.stamp) {
		b.whole = true
	}
}

// unkeptState returns the state of the journal in the run folder.
func (b *Book) unkeptState() (state fetch.FileState) {
	if run, err := fetch.FindStore(b.Cfg.RunDir); err == nil {
		state, _ = run.JournalState(File)
		run.Close()
	}
	return state
}

// shrunk reports whether the journal is the same file as before, but shorter. voipbl never
// does that: it appends lines, or replaces the file.
func (b *Book) shrunk(state fetch.FileState) bool {
	m, _ := b.keptBefore()
	return m.longerThan(state) || markOf(b.seen).longerThan(state)
}

// readUnkept returns the journal in the run folder: what could not go into the state folder.
func (b *Book) readUnkept() []byte {
	run, err := fetch.FindStore(b.Cfg.RunDir)
	if err != nil {
		return nil
	}
	defer run.Close()
	text, state, err := run.ReadJournal(File)
	if err != nil {
		return nil
	}
	b.unkept = state
	return text
}

// smallJournal is a size in bytes. A smaller journal cannot hold a full list, so its lines
// need not be counted.
const smallJournal = 4 << 20

// appendOnly writes bans down without reading the list. That is possible if what they block
// was not banned before, the list is not full, and its file ends with a whole line. It returns
// nil if not.
func (b *Book) appendOnly(request banRequest, fresh []cidr.Prefix, exempt cidr.Sets, now banlist.Clock) *banAnswer {
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
	store, err := fetch.FindStore(b.Cfg.StateDir)
	if err != nil {
		return nil
	}
	defer store.Close()
	state, whole, err := store.JournalEnd(File)
	if err != nil || !whole || b.shrunk(state) {
		return nil
	}
	if state.Size() > smallJournal {
		if n, err := store.JournalLines(File); err != nil || n+countLines(lines) > banlist.Most {
			return nil
		}
	}
	if other, err := store.JSONState(File); err != nil || other.Exists() {
		return nil
	}
	if state, err = store.AppendJournal(File, lines); err != nil {
		return nil
	}
	b.markKept(state)
	return a
}

// compactAt: the journal is rewritten when it has this many lines more than twice the bans.
const compactAt = 4096

// long reports whether the journal should be rewritten once it has so many more lines.
func (b *Book) long(more int) bool { return b.lines+more > 2*b.table.Len()+compactAt }

// write appends lines to the journal, or rewrites the whole list if needed. If that fails, the
// lines go into the run folder, and the error says why.
func (b *Book) write(lines []byte, now banlist.Clock) error {
	if len(lines) == 0 && !b.whole && b.Unread == nil {
		return nil
	}
	err := b.Unread
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

func (b *Book) keep(lines []byte, now banlist.Clock) (err error) {
	store, err := fetch.OpenStore(b.Cfg.StateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	n := countLines(lines)
	if !b.whole && !b.long(n) {
		state, err := store.AppendJournal(File, lines)
		if err != nil { // the journal is unchanged: do not read it again for each ban
			b.seen, _ = store.JournalState(File)
			return err
		}
		b.seen, b.lines = state, b.lines+n
		b.markKept(state)
		return nil
	}
	b.table.Expire(now)
	state, err := store.WriteJournal(File, b.table.Encode(now))
	if err != nil {
		return err
	}
	b.seen, b.whole, b.lines = state, false, b.table.Len()
	b.markKept(state)
	return errors.Join(store.RemoveJSON(File), b.forgetUnkept())
}

func countLines(text []byte) (n int) {
	for _, c := range text {
		if c == '\n' {
			n++
		}
	}
	return n
}

// forgetUnkept deletes the journal in the run folder, once all of it is in the state folder.
func (b *Book) forgetUnkept() error {
	run, err := fetch.FindStore(b.Cfg.RunDir)
	if err != nil {
		return nil // there is none
	}
	defer run.Close()
	b.unkept = fetch.FileState{}
	return run.RemoveJournal(File)
}

// banMark is a note in the run folder that there has been a journal since boot, and how long
// it was at least.
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

// longerThan reports whether the mark is for the same file, when that was longer.
func (m banMark) longerThan(state fetch.FileState) bool {
	device, inode := state.ID()
	return m.Device == device && m.Inode == inode && m.Size > state.Size()
}

func (b *Book) markKept(state fetch.FileState) {
	mark := markOf(state)
	if m, before := b.keptBefore(); before && m == mark {
		return
	}
	if run, err := fetch.OpenStore(b.Cfg.RunDir); err == nil {
		run.WriteJSON(File, mark) // if this fails, a lost list counts as empty
		run.Close()
	}
}

// keptBefore returns the mark, if it was made since boot.
func (b *Book) keptBefore() (m banMark, before bool) {
	run, err := fetch.FindStore(b.Cfg.RunDir)
	if err != nil {
		return banMark{}, false
	}
	defer run.Close()
	if run.ReadJSON(File, &m) != nil || m.Kernel != firewall.Kernel() {
		return banMark{}, false
	}
	return m, true
}
