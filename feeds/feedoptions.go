package feeds

import (
	"log/slog"
	"time"
)

// Options are the options of a sync.
type Options struct {
	Version    string
	ConfigFile string              // the file of the configuration
	DryRun     bool                // only plan: write nothing to the kernel
	Offline    bool                // use the last good copies of URL feeds and names
	SetsOnly   bool                // leave the rules as they are
	Force      bool                // believe lists that are held back, and let the agent take over a configuration that protects less
	LeaveBase  bool                // leave the base rules as they are: they are about to go on trial
	Wait       time.Duration       // how long to wait for the lock
	Waiting    func(holder string) // called once if the lock is held; may be nil
	Log        *slog.Logger        // may be nil
	Progress   func(feed string, got, total int64)
}

// Rounds is the most time for fetching all feeds, in units of one feed's time-out, so that
// a sync ends in minutes however many feeds hang.
const Rounds = 3
