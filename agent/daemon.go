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

// daemon is the running agent. Its loop makes all changes to the kernel, except bans, one after
// the other. Fetching, watching and answering run beside it.
type daemon struct {
	opts     RunOptions
	hold     *state.AgentHold
	log      *slog.Logger
	cfg      config.Config                 // for the loop only
	shared   atomic.Pointer[config.Config] // the same, for other goroutines
	state    agentState
	fetcher  *fetcher
	pasts    map[string]past // the fetcher's own
	lists    *lists          // what mirrors of the fleet say
	files    *fileWatch
	metrics  *metricsServer
	reports  *reporter
	asks     chan request  // requests to reload
	allows   chan request  // requests of "voipbl allow"
	listed   chan struct{} // a list blocks a phone that has registered
	trunks   chan struct{} // the PBX is registered elsewhere than before
	document chan struct{} // the operator of the fleet has another document
	adopted  bell          // rung after shared has changed

	agenda   agenda        // when each task is due
	applyWhy []string      // the reasons for applyTask
	failures int           // failed applies in a row
	unread   int           // how often in a row a local list could not be read
	took     time.Duration // how long the last apply took
	book     *bans.Book    // the list of bans
	asked    *asked        // a configuration that somebody asked for and that was refused

	foreignBans bool // at the last full check, a set of bans was somebody else's

	foreignPhones bool      // the same of a set of registered phones
	knownSet      string    // the name of the sets of registered phones at the last check; "" if none are needed
	phonesAt      time.Time // see applyForFriend

	configAt time.Time           // when somebody began to edit the configuration
	pathsAt  time.Time           // when local feeds were last read
	oldSets  []setnames.NamedSet // sets of an earlier configuration

	heldByOthers string // see lookAtHeld

	waited map[string]time.Time // when the lists were fetched that lookAtCopies has found last

	drift
	said  map[string]bool      // warnings that were logged and still hold
	stale map[string]time.Time // when each stale feed was last logged
	host  string               // see host.Addresses

	troubled    map[string]bool // "sets" or "rules" of one family; see warnOfFamilies
	reportError string          // see sayOnce; the reporter's own
	ready       bool

	begun time.Time
}

const (
	// tick is how often the agent looks at the kernel. All that is looked at regularly is looked at
	// in the same moment, since each time that the process wakes up costs as much as the checks.
	tick = 9 * time.Second

	// settle is how long changes are collected before they are applied together: files are
	// written one after the other, and feeds finish about the same time.
	settle = 500 * time.Millisecond

	// filesPace keeps lists that are written all the time from loading the machine: after an
	// apply, the pause is filesPace times as long as the apply took.
	filesPace = 5

	// applyPause is when a failed apply is first tried again. The pause doubles each time, up
	// to maxApplyPause.
	applyPause    = 5 * time.Second
	maxApplyPause = time.Minute
)

// lostLockError says that somebody removed the run folder of a running agent, so that a second
// agent could be started.
type lostLockError struct{ Dir string }

func (e *lostLockError) Error() string {
	return "the agent's lock is gone from " + e.Dir + ": somebody has removed the folder"
}

// Remedy says what to do about it.
func (e *lostLockError) Remedy() string { return "restart the agent, and leave run_dir alone" }
