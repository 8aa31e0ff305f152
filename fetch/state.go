package fetch

import (
	"errors"
	"io/fs"
	"time"

	"github.com/voipbl/voipbl/internal/web"
)

// A State is what became of a feed's last attempts, beside its last good copy.
type State struct {
	LastAttempt time.Time  `json:"last_attempt"`
	Source      string     `json:"source,omitempty"`     // that was asked then, without secrets
	LastSuccess time.Time  `json:"last_success"`         // "not modified" is one
	LastError   string     `json:"last_error,omitempty"` // of the last attempt; empty if it succeeded
	Reason      string     `json:"reason,omitempty"`     // its [Reason], or the caller's own
	Failures    int        `json:"failures,omitempty"`   // since the last success
	Talked      []web.Peer `json:"talked,omitempty"`     // the hosts that the last success came from
	Tried       []web.Peer `json:"tried,omitempty"`      // those that the last failure was with, since then
	Held        *Held      `json:"held,omitempty"`       // nil if nothing is held back
	Past        *Past      `json:"past,omitempty"`       // nil if no list was accepted yet

	// Content is a digest of what the last good list blocks, and ContentChanged when
	// that was last another one, by this host's clock. "Not modified" and the same
	// list once more change neither.
	Content        string    `json:"content,omitempty"`
	ContentChanged time.Time `json:"content_changed,omitzero"`
}

// Held is a body that arrived whole and was not believed. It is accepted when
// enough fetches in a row agree on it.
type Held struct {
	Since    time.Time  `json:"since"`
	Reason   string     `json:"reason"`
	Entries  int        `json:"entries"`
	Coverage [2]float64 `json:"coverage"`          // by family, as in [Extent]
	Content  string     `json:"content,omitempty"` // as in [State]
	Agreed   int        `json:"agreed"`            // fetches in a row that agree, from 1
}

// State returns the feed's state, or a zero State if none is kept yet. A file
// that cannot be understood is a [*DamagedError]; to go on without it is safe.
func (s *Store) State(name string) (State, error) {
	var state State
	err := s.readJSON(name, stateSuffix, &state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return State{}, nil
	case err != nil:
		return State{}, err
	}
	return state, nil
}

// SetState replaces the feed's state, durably and in one step.
func (s *Store) SetState(name string, state State) error {
	return s.writeJSON(name, stateSuffix, state)
}
