package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// outboxWait is how long to wait for the lock of the outbox's file. Others hold it only while
// they write.
const outboxWait = 2 * time.Second

// readOutbox reads the outbox from its file; without a file it is empty.
func readOutbox(store *fetch.Store) (Box, error) {
	var b Box
	if store == nil {
		return b, nil
	}
	if err := store.ReadJSON(exempt.OutboxFile, &b); err != nil && !problem.IsAbsent(err) {
		return Box{}, err
	}
	if err := b.check(); err != nil {
		return Box{}, &fetch.DamagedError{Path: exempt.OutboxFile + ".json", Why: err.Error()}
	}
	return b, nil
}

// loadOutbox returns the outbox as it is at now, for callers that do not change it.
func loadOutbox(cfg config.Config, now time.Time) (Box, error) {
	store, err := state.FindStore(cfg)
	if err != nil {
		return Box{}, err
	}
	if store != nil {
		defer store.Close()
	}
	b, err := readOutbox(store)
	if err == nil {
		b.settle(now)
	}
	return b, err
}

// changeOutbox changes the outbox on disk. It first takes out what is too old, and passes those
// verdicts to tell. change reports whether there is anything to write. A damaged file is put
// aside, and lost gets the message about that.
func changeOutbox(ctx context.Context, cfg config.Config, verb string, tell func(Verdict), lost func(string), change func(*Box, time.Time) bool) error {
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	unlock, err := state.Lock(ctx, cfg.RunDir, state.ReportsLock, verb, outboxWait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	b, err := readOutbox(store)
	if damaged := (*fetch.DamagedError)(nil); errors.As(err, &damaged) {
		if err = putAside(store, damaged, lost); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	now := time.Now().UTC().Round(0) // wall clock only, as in the file
	told, settled := b.settle(now)
	if changed := change(&b, now); !changed && !settled {
		return nil
	}
	if err := store.WriteJSON(exempt.OutboxFile, b); err != nil {
		return err
	}
	for _, v := range told {
		tell(v)
	}
	return nil
}

// putAside renames a damaged file, so that an admin can look at it.
func putAside(store *fetch.Store, damaged *fetch.DamagedError, lost func(string)) error {
	path, err := store.SetAsideJSON(exempt.OutboxFile)
	if err != nil {
		return fmt.Errorf("%w; and it could not be put aside: %w", damaged, err)
	}
	lost(fmt.Sprintf("%v: it was put aside as %s, and what waited in it is lost", damaged, path))
	return nil
}

// OutboxStatus is what waits to be reported, and how the last requests went.
type OutboxStatus struct {
	Enabled   bool             `json:"enabled"`
	Queue     []Entry          `json:"queue"`
	Due       time.Time        `json:"due,omitzero"` // when the next one may be sent
	Standing  int              `json:"standing"`     // addresses that were reported and not unbanned
	LastSent  time.Time        `json:"last_sent,omitzero"`
	LastError *Failure         `json:"last_error,omitempty"` // the last one since LastSent
	Problem   *problem.Problem `json:"problem,omitempty"`    // why the outbox cannot be read
}

// ReadOutbox returns the status of the outbox at now.
func ReadOutbox(cfg config.Config, now time.Time) *OutboxStatus {
	return LookAtOutbox(cfg, Limits{PerHour: cfg.Report.PerHour}, now)
}

// LookAtOutbox is ReadOutbox for a caller that knows the limits.
func LookAtOutbox(cfg config.Config, limits Limits, now time.Time) *OutboxStatus {
	s := &OutboxStatus{Enabled: cfg.Report.Enabled, Queue: []Entry{}}
	b, err := loadOutbox(cfg, now)
	if err != nil {
		s.Problem = problem.Of(err)
		return s
	}
	s.Queue = append(s.Queue, b.Queue...)
	s.Due, s.Standing = b.due(limits, now), len(b.Standing)
	s.LastSent, s.LastError = b.LastSent, b.LastError
	return s
}
