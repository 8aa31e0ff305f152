package exempt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/allowlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// The list of "voipbl allow" has three copies: two in the state folder, so that a bad disk
// does not cut off friends at the next boot, and one in the run folder, which is in
// memory, in case the state folder cannot be written to. The newest valid copy counts.
const (
	allowedFile = "allowed"
	allowedCopy = "allowed-copy"
)

// AllowedBook is the list of allowed hosts with the state of its copies.
type AllowedBook struct {
	List   allowlist.List // the current list
	Notes  []string       // what is wrong with single copies
	Unread error          // why there is a list and no copy of it can be read
	Old    bool           // a copy is out of date, so all must be written
	unkept bool           // only the run folder has the list, so a boot loses it
}

// allowedCopies returns the places of the copies. The one in the run folder is lost at
// a boot.
func allowedCopies(cfg config.Config) []struct{ dir, name string } {
	return []struct{ dir, name string }{{cfg.RunDir, allowedFile}, {cfg.StateDir, allowedFile}, {cfg.StateDir, allowedCopy}}
}

// ReadAllowed reads the list. It changes nothing.
func ReadAllowed(cfg config.Config, now deadline.Clock) AllowedBook {
	var (
		b      AllowedBook
		copies []allowlist.List
		absent int
		errs   []error
	)
	inState := int64(0)
	for _, place := range allowedCopies(cfg) {
		l, err := readAllowedCopy(place.dir, place.name)
		switch {
		case problem.IsAbsent(err):
			absent++
		case err != nil:
			errs = append(errs, err)
		default:
			copies = append(copies, l)
			if place.dir == cfg.StateDir {
				inState = max(inState, l.Serial)
			}
		}
	}
	newest := allowlist.Newest(copies)
	b.List = newest.At(now)
	for _, l := range copies {
		b.Old = b.Old || l.Serial != newest.Serial
	}
	b.Old = b.Old || len(copies) > 0 && (absent > 0 || len(errs) > 0) || newest.Partial ||
		len(b.List.Entries) < len(newest.Entries) || newest.Serial > 0 && newest.Written.Leapt(now)
	b.unkept = inState < newest.Serial
	if len(errs) > 0 && len(copies) == 0 {
		b.Unread = &unreadAllowedError{errors.Join(errs...)}
		return b
	}
	for _, err := range errs {
		b.Notes = append(b.Notes, "a copy of the list of allowed hosts cannot be read, and another one counts: "+err.Error())
	}
	return b
}

func readAllowedCopy(dir, name string) (allowlist.List, error) {
	store, err := fetch.FindStore(dir)
	if err != nil {
		return allowlist.List{}, err
	}
	defer store.Close()
	var file allowlist.File
	if err := store.ReadJSON(name, &file); err != nil {
		return allowlist.List{}, err
	}
	l, err := file.Decode()
	if err != nil {
		return allowlist.List{}, &fetch.DamagedError{Path: dir + "/" + name + ".json", Why: err.Error()}
	}
	return l, nil
}

// unreadAllowedError is returned if there is a list and it cannot be read.
type unreadAllowedError struct{ err error }

func (e *unreadAllowedError) Error() string {
	return "the list of allowed hosts cannot be read, so that those of \"voipbl allow\" are not known: " + problem.Line(e.err)
}

func (e *unreadAllowedError) Unwrap() error { return e.err }

// Remedy returns what to do about it.
func (e *unreadAllowedError) Remedy() string {
	return "mend the disk, or allow them again with \"voipbl allow\"; what is damaged is kept under another name then"
}

// problem returns what an admin must act on, or nil.
func (b AllowedBook) problem() *problem.Problem {
	switch {
	case b.Unread != nil:
		return problem.Of(b.Unread)
	case b.unkept:
		return &problem.Problem{
			Reason: "not-written-down",
			Error:  "some allowed hosts are not written down: a boot would lose them, or allow again what was taken back",
			Remedy: "see that the disk has room and can be written to; then \"voipbl sync\" or the agent writes it down",
		}
	}
	return nil
}

// LockAllowed takes the lock of the list.
func LockAllowed(ctx context.Context, cfg config.Config, verb string, wait time.Duration) (func(), error) {
	return state.Lock(ctx, cfg.RunDir, state.AllowedLock, verb, wait, nil)
}

// Write writes a changed list. It succeeds if the run folder or the state folder has it;
// kept says why it is not in the state folder, so that a boot would lose it. The caller
// holds the lock.
func (b AllowedBook) Write(cfg config.Config, list allowlist.List, now deadline.Clock) (kept, err error) {
	list.Written = now
	list.Serial = max(b.List.Serial+1, now.Wall.UnixMilli())
	unreadable := b.Unread != nil && !state.IsDamaged(b.Unread)
	list.Partial = unreadable
	file := list.Encode()
	run := writeAllowedCopy(cfg.RunDir, allowedFile, file, false)
	if unreadable { // it may become readable again, so do not overwrite it
		return b.Unread, run
	}
	kept = writeAllowedCopy(cfg.StateDir, allowedFile, file, b.Unread != nil)
	if kept == nil {
		writeAllowedCopy(cfg.StateDir, allowedCopy, file, b.Unread != nil) // the other copies have it
		return nil, nil
	}
	if run != nil {
		return kept, errors.Join(kept, run)
	}
	return kept, nil
}

// writeAllowedCopy replaces a copy. If aside is true, a damaged one is put aside first, so
// that a person can look at it.
func writeAllowedCopy(dir, name string, file allowlist.File, aside bool) error {
	store, err := fetch.OpenStore(dir)
	if err != nil {
		return err
	}
	defer store.Close()
	if aside {
		store.SetAsideJSON(name) // overwritten if it cannot be put aside
	}
	return store.WriteJSON(name, file)
}

// SettleAllowed rewrites the copies if one is out of date, and returns what a person
// should know.
func SettleAllowed(ctx context.Context, cfg config.Config, verb string) (notes []string) {
	now := state.Clock()
	if b := ReadAllowed(cfg, now); !b.Old || b.Unread != nil {
		return nil // Gather reports what is wrong with it
	}
	unlock, err := LockAllowed(ctx, cfg, verb, state.LookWait)
	if err != nil {
		return nil // another process is writing it
	}
	defer unlock()
	b := ReadAllowed(cfg, now)
	if !b.Old || b.Unread != nil {
		return nil
	}
	kept, err := b.Write(cfg, b.List, now)
	if err = errors.Join(kept, err); err != nil {
		notes = append(notes, fmt.Sprintf("the list of allowed hosts is not written down, so that a boot may lose it: %v", err))
	}
	return notes
}

// ByHand is the source of hosts that "voipbl allow" has allowed.
const ByHand = "voipbl allow"
