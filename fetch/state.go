package fetch

import (
	"errors"
	"io/fs"
	"time"

	"github.com/voipbl/voipbl/internal/web"
)

// A State records the last attempts to fetch a feed. It is kept beside the last good
// copy.
type State struct {
	LastAttempt time.Time  `json:"last_attempt"`
	Source      string     `json:"source,omitempty"`     // the source of these attempts, without secrets
	LastSuccess time.Time  `json:"last_success"`         // "not modified" counts
	LastError   string     `json:"last_error,omitempty"` // of the last attempt; empty if it succeeded
	Reason      string     `json:"reason,omitempty"`     // its [Reason], or a word of the caller's
	Failures    int        `json:"failures,omitempty"`   // since the last success
	Mirror      string     `json:"mirror,omitempty"`     // the host of the fleet by which the last success came; empty: from the source itself
	Talked      []web.Peer `json:"talked,omitempty"`     // the hosts of the last success
	Tried       []web.Peer `json:"tried,omitempty"`      // the hosts of the last failure since then
	Held        *Held      `json:"held,omitempty"`       // nil if no list is held back
	Past        *Past      `json:"past,omitempty"`       // nil if no list was accepted yet

	// Content is a digest of what the last good list blocks. ContentChanged is when it
	// last changed, by this host's clock. "Not modified" and an unchanged list change
	// neither.
	Content        string    `json:"content,omitempty"`
	ContentChanged time.Time `json:"content_changed,omitzero"`
}

// Held is a complete list that a guard refused. It is accepted when enough fetches in a
// row agree.
type Held struct {
	Since    time.Time  `json:"since"`
	Reason   string     `json:"reason"`
	Entries  int        `json:"entries"`
	Coverage [2]float64 `json:"coverage"`          // by family, as in [Extent]
	Content  string     `json:"content,omitempty"` // as in [State]
	Agreed   int        `json:"agreed"`            // fetches in a row that agree, from 1
}

// State returns the feed's state, or a zero State if there is none. The error is a
// [*DamagedError] for a file that cannot be parsed; it is safe to go on without it.
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

// SetState replaces the feed's state in one step and syncs it to disk.
func (s *Store) SetState(name string, state State) error {
	return s.writeJSON(name, stateSuffix, state)
}
