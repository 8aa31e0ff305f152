package agent

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// daemon is the agent at work. All that changes the kernel happens in its loop, one
// thing after the other; fetching, listening and answering go on beside it.
type daemon struct {
	opts    RunOptions
	hold    *state.AgentHold
	log     *slog.Logger
	cfg     config.Config                 // for the loop
	shared  atomic.Pointer[config.Config] // the same for others, who read it at any time
	state   agentState
	fetcher *fetcher
	files   *fileWatch
	metrics *metricsServer
	reports *reporter
	asks    chan request // of reload, to be answered
	allows  chan request // of "voipbl allow", likewise

	agenda   agenda        // when each task is due
	applyWhy []string      // of applyTask
	failures int           // to apply, in a row
	unread   int           // how often in a row a local list could not be read
	took     time.Duration // the last time
	book     *bans.Book    // the list of bans
	asked    *asked        // what somebody has asked for and was refused

	foreignBans bool                // a set of bans was made by somebody else, when they were last compared
	configAt    time.Time           // when somebody began to change it
	pathsAt     time.Time           // when local feeds were last read
	oldSets     []setnames.NamedSet // of a configuration that is gone

	drift
	said  map[string]bool      // warnings that were logged and still hold
	stale map[string]time.Time // since when a stale feed was last told about
	host  string               // see hostAddresses

	troubled    map[string]bool // "sets" or "rules" of one family; see warnOfFamilies
	reportError string          // see sayOnce; the reporter's own
	ready       bool

	begun time.Time
}

const (
	// tick is how often the agent looks around: at what costs next to nothing.
	tick = 5 * time.Second

	// settle is for how long changes are gathered before they are put in force
	// together: files are written one after the other, feeds finish together.
	settle = 500 * time.Millisecond

	// filesPace keeps lists that are written all the time from filling the
	// machine: after putting them in force there is a pause of that many times
	// as long.
	filesPace = 5

	// A failed apply is tried again after this, and after twice as long each
	// time up to a minute.
	applyPause    = 5 * time.Second
	maxApplyPause = time.Minute
)

// LostLockError is the run folder having been taken away from under the agent: another
// one may be started beside it.
type LostLockError struct{ Dir string }

func (e *LostLockError) Error() string {
	return "the agent's lock is gone from " + e.Dir + ": somebody has removed the folder"
}

// Remedy says what to do about it.
func (e *LostLockError) Remedy() string { return "start the agent anew, and leave run_dir alone" }
