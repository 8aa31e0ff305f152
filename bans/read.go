package bans

import (
	"fmt"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// This file reads the list of bans for callers that do not change it.

// Read returns the bans that are active now, in order, and notes about the list for the admin.
// It changes nothing. With an error it still returns what could be read.
func Read(cfg config.Config) (bans []Ban, notes []string, err error) {
	now := state.Clock()
	table, notes, err := (&Book{Cfg: cfg}).look(now)
	return table.Bans(now), notes, err
}

// look reads the list without changing anything.
func (b *Book) look(now banlist.Clock) (t *banlist.Table, notes []string, err error) {
	t = banlist.NewTable()
	defer func() { t.Replay(b.readUnkept(), now) }()
	store, err := state.FindStore(b.Cfg)
	if store == nil || err != nil {
		return t, nil, err
	}
	defer store.Close()
	text, state, err := store.ReadJournal(File)
	if err != nil {
		return t, nil, err
	}
	if !state.Exists() {
		old, err := store.ReadText(File)
		if problem.IsAbsent(err) {
			return t, nil, nil
		}
		if err != nil {
			return t, nil, err
		}
		if t, err = banlist.DecodeOld(old, now, widestBan(b.Cfg)); err != nil {
			err = &damagedOldBansError{err}
		}
		return t, nil, err
	}
	j := banlist.Decode(text, now)
	if j.Cut {
		notes = append(notes, cutNote+", and is left out")
	}
	if b.shrunk(state) {
		notes = append(notes, shrunkNote)
	}
	since, err := older(b.Cfg, store, state, now)
	for _, ban := range since {
		j.Table.Add(ban)
	}
	if err != nil {
		err = &damagedOldBansError{err}
	}
	if len(j.Damaged) > 0 {
		err = &damagedBansError{fetch.JournalName(File), len(j.Damaged), j.Damaged[0]}
	}
	return j.Table, notes, err
}

// damagedBansError says that some lines of the list of bans cannot be understood.
type damagedBansError struct {
	Path         string
	Lines, First int
}

func (e *damagedBansError) Error() string {
	return fmt.Sprintf("%s is damaged: %d of its lines cannot be understood, the first is line %d", e.Path, e.Lines, e.First)
}

// Remedy says what to do about it.
func (e *damagedBansError) Remedy() string {
	return "run \"voipbl sync\": it keeps what can be read and what the kernel blocks"
}

// damagedOldBansError says that part of an older version's list of bans cannot be read.
type damagedOldBansError struct{ Err error }

func (e *damagedOldBansError) Error() string {
	return File + ".json, which an older version has written, is damaged: " + problem.Line(e.Err)
}

func (e *damagedOldBansError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *damagedOldBansError) Remedy() string {
	return "run \"voipbl sync\": it keeps what can be read"
}

// UnkeptBans reports whether there are bans in force that could not be written to the state
// folder, so that a boot would lose them.
func UnkeptBans(cfg config.Config) bool { return len((&Book{Cfg: cfg}).readUnkept()) > 0 }
