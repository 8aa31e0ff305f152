package bans

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
)

// How the list of bans is written down: lines are added to its journal, and now and then
// it is written anew. What the state folder does not take goes into the run folder.

// restamp has the list written anew when the wall clock was set: after a boot the time
// since it was last written counts.
func (b *Book) restamp(now banlist.Clock) {
	if b.lines > 0 && now.Leapt(b.stamp) {
		b.whole = true
	}
}

// unkeptState tells whether there is something new in the run folder.
func (b *Book) unkeptState() (state fetch.FileState) {
	if run, err := fetch.FindStore(b.Cfg.RunDir); err == nil {
		state, _ = run.JournalState(File)
		run.Close()
	}
	return state
}

// shrunk reports whether the journal is the same file as before and shorter. Only lines
// are added to it, or another file takes its place.
func (b *Book) shrunk(state fetch.FileState) bool {
	m, _ := b.keptBefore()
	return m.longerThan(state) || markOf(b.seen).longerThan(state)
}

// readUnkept is what could not be written down in the state folder.
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

// smallJournal is how many bytes a journal may have that cannot be of a full list, so that
// its lines need not be counted.
const smallJournal = 4 << 20

// appendOnly writes bans down without reading the list, if nothing of it is needed: what
// they block was free before, the list is not full, and its file ends as it should. It
// returns nil if that is not so.
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

// compactAt is how many lines more than twice the bans the journal may have before it is
// written anew.
const compactAt = 4096

// long reports whether the journal, with so many lines more, is to be written anew.
func (b *Book) long(more int) bool { return b.lines+more > 2*b.table.Len()+compactAt }

// write writes lines down, or if need be the whole list. If that fails they are kept in
// the run folder; the error says why.
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
		if err != nil { // it is as it was, and need not be read again for each ban
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

// forgetUnkept takes the journal of the run folder away, when all of it has been
// written down.
func (b *Book) forgetUnkept() error {
	run, err := fetch.FindStore(b.Cfg.RunDir)
	if err != nil {
		return nil // there is none
	}
	defer run.Close()
	b.unkept = fetch.FileState{}
	return run.RemoveJournal(File)
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

func (b *Book) markKept(state fetch.FileState) {
	mark := markOf(state)
	if m, before := b.keptBefore(); before && m == mark {
		return
	}
	if run, err := fetch.OpenStore(b.Cfg.RunDir); err == nil {
		run.WriteJSON(File, mark) // without it a list that is lost is empty
		run.Close()
	}
}

// keptBefore is the mark, if it was made since the boot.
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
