package feeds

import (
	"log/slog"
	"time"
)

// Options are what the caller of Sync may ask for.
type Options struct {
	Version    string
	ConfigFile string              // that the configuration is from
	DryRun     bool                // plan, and write nothing to the kernel
	Offline    bool                // use the last good copies of URL feeds and names
	SetsOnly   bool                // leave the rules as they are
	Force      bool                // believe a list that is held back, and have the agent take over what takes protection away
	LeaveBase  bool                // leave the base rules as they are: they are about to be tried
	Wait       time.Duration       // for the lock
	Waiting    func(holder string) // called once if the lock is held; may be nil
	Log        *slog.Logger        // may be nil
	Progress   func(feed string, got, total int64)
}

const (
	// AtOnce bounds how many feeds are fetched and read at a time.
	AtOnce = 8

	// Rounds bounds fetching all feeds together, in time-outs of one: a
	// sync ends in minutes however many feeds hang.
	Rounds = 3
)
