package rules

import (
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
)

// rulesFile is the name of both files about the rules: the state folder has what must
// survive a boot, the run folder what must not.
const rulesFile = "firewall"

// State is what the admin has decided about the base rules. It survives a boot.
type State struct {
	Since    time.Time     `json:"since,omitzero"`     // when voipbl first had rules on this host
	Accepted *AcceptedBase `json:"accepted,omitempty"` // the last that were confirmed, or applied without a question
	Pending  *PendingBase  `json:"pending,omitempty"`  // waiting for a confirmation
	Rejected *RejectedBase `json:"rejected,omitempty"` // to be installed only when asked for by hand
}

// AcceptedBase are base rules that are known to let the admin in.
type AcceptedBase struct {
	Key  string       `json:"key"`
	Base ruleset.Base `json:"base"`
	At   time.Time    `json:"at"`
}

// OwnRules are all of voipbl's rules in one backend.
type OwnRules struct {
	Backend firewall.Backend `json:"backend"`
	Tables  ruleset.Wanted   `json:"tables"`
	Unknown [2]bool          `json:"unknown"` // families that could not be listed; nothing is changed there
}

// RejectedBase are base rules that nobody confirmed in time.
type RejectedBase struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// Record is what is known about the rules in this kernel. Without it, the kernel's rules are
// compared with what voipbl would write, and at worst written once more.
type Record struct {
	Kernel      string             `json:"kernel"`
	Readback    *firewall.Readback `json:"readback"`
	Wanted      string             `json:"wanted"`     // digest of what the kernel held at Generation
	Generation  string             `json:"generation"` // see [firewall.Firewall.Generation]
	Other       string             `json:"other"`      // generation of the other backend, whose rules may decide where the drop goes
	Placed                         // where the drop was put, and why
	Avoid       reach.Avoid        `json:"avoid"`                  // why INPUT is to be avoided, whatever drop_at says
	FreePBX     bool               `json:"freepbx,omitempty"`      // FreePBX's firewall was installed, one of the reasons for that
	RawRefused  [2]bool            `json:"raw_refused,omitzero"`   // families in which the kernel refused the raw table, until the next boot or apply
	BaseRefused bool               `json:"base_refused,omitempty"` // the kernel refused base rules the last time
	Base        bool               `json:"base"`
	Since       time.Time          `json:"since,omitzero"` // when the rules that drop began to count
	Chains      [2]bool            `json:"chains"`         // whether voipbl created fail2ban's chain, by family
	Sets        []string           `json:"sets"`           // sets of fail2ban that voipbl created

	// Troubles are, by family, why the rules could not be put right the last time.
	Troubles [2]*problem.Problem `json:"troubles"`

	// unread is why the existing file could not be read; it is then not replaced.
	unread error
}

// accepted reports whether base rules with this key have been accepted before.
func (s *State) accepted(key string) bool {
	return s.Accepted != nil && s.Accepted.Key == key || s.Accepted == nil && key == ""
}

// used reports whether this host has had voipbl's rules before. If so, it is not a fresh host
// that is being provisioned.
func (s *State) used() bool { return !s.Since.IsZero() || s.Rejected != nil || s.Accepted != nil }

// Unreject forgets that base rules were rejected, if they have this key.
func (s *State) Unreject(key string) {
	if s.Rejected != nil && s.Rejected.Key == key {
		s.Rejected = nil
	}
}

// readRules reads both files. A damaged state is an error; a damaged record and a missing
// file are not. lost reports that the state is missing.
func readRules(store, run *fetch.Store) (state State, record Record, lost bool, err error) {
	var unread error
	if run != nil {
		unread = run.ReadJSON(rulesFile, &record)
	}
	if run == nil || unread != nil || record.Kernel != firewall.Kernel() {
		record = Record{Kernel: firewall.Kernel()}
	}
	if problem.IsShortage(unread) {
		record.unread = unread
	}
	if store == nil {
		return state, record, true, nil
	}
	err = store.ReadJSON(rulesFile, &state)
	switch {
	case problem.IsAbsent(err):
		return State{}, record, true, nil
	case err != nil:
		return State{}, record, false, &damagedRulesError{err}
	}
	return state, record, false, nil
}

// damagedRulesError says that it is not known which base rules were confirmed.
type damagedRulesError struct{ Err error }

func (e *damagedRulesError) Error() string {
	return "what is known about the base rules cannot be read, so they are left as they are: " + e.Err.Error()
}

func (e *damagedRulesError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *damagedRulesError) Remedy() string {
	return "run \"voipbl firewall apply\", and confirm"
}

// WriteState writes what the admin has decided about the base rules.
func (r *Hold) WriteState() error { return r.store.WriteJSON(rulesFile, r.State) }

// WriteRecord writes what is known about the rules in this kernel.
func (r *Hold) WriteRecord() error {
	if r.Record.unread != nil {
		return r.Record.unread
	}
	if r.Run == nil {
		_, err := fetch.FindStore(r.Cfg.RunDir)
		return err
	}
	return r.Run.WriteJSON(rulesFile, r.Record)
}

// copyFile is the run folder's copy of what is pending. With it, rules are taken back even if
// the state is damaged or lost meanwhile.
const copyFile = "pending"

// WriteCopy writes the copy of what is pending, or removes it if p is nil.
func (r *Hold) WriteCopy(p *PendingBase) error {
	if r.Run == nil {
		return r.WriteRecord() // which says why
	}
	if p == nil {
		return r.Run.RemoveJSON(copyFile) // possible on a full disk, too
	}
	return r.Run.WriteJSON(copyFile, p)
}

// fromCopy returns what is pending by the copy, if it has the token.
func fromCopy(run *fetch.Store, token string) (*PendingBase, error) {
	var p PendingBase
	if run == nil || token == "" {
		return nil, nil
	}
	err := run.ReadJSON(copyFile, &p)
	if problem.IsShortage(err) {
		return nil, err // not known now
	}
	if err != nil || p.Token != token {
		return nil, nil
	}
	return &p, nil
}

// IsPending reports whether the rules of a token wait for a confirmation. A state that cannot
// be read may become readable in time; if it is gone, there is the copy.
func IsPending(stateDir, runDir, token string) bool {
	var state State
	store, err := fetch.FindStore(stateDir)
	if err == nil {
		defer store.Close()
		err = store.ReadJSON(rulesFile, &state)
	}
	if problem.IsAbsent(err) {
		run, err := fetch.FindStore(runDir)
		if err != nil {
			return !problem.IsAbsent(err)
		}
		defer run.Close()
		p, err := fromCopy(run, token)
		return p != nil || err != nil
	}
	if err != nil {
		return true
	}
	return state.Pending != nil && state.Pending.Token == token
}

// FindPending finds the rules of a token in the copy, if the state is damaged or lost.
func (r *Hold) FindPending(token string) (err error) {
	if r.StateErr != nil || r.stateLost {
		r.State.Pending, err = fromCopy(r.Run, token)
	}
	return err
}
