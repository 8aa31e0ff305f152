package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
)

const (
	// Each of these is held for one kind of work, and who takes several takes
	// them in this order. agentLock is the agent's for as long as it runs.
	// mainLock is for fetching: whoever holds it writes the copies of lists, and
	// may have to wait for a server. setsLock is for changes to the sets, and
	// for reading local files; rulesLock for changes to the rules. These two are
	// held for a moment: neither a ban nor rules that lock somebody out are to
	// wait because a server is slow. bansLock is for writing the list of bans,
	// and is taken alone. sendLock is for telling VoIPBL about attackers, and may
	// be held while a server is slow; reportsLock for writing what is to be told,
	// for a moment. Of the other locks none is taken with these two.
	agentLock = "agent.lock"
	mainLock  = "lock"
	setsLock  = "sets.lock"
	rulesLock = "rules.lock"
	bansLock  = "bans.lock"

	sendLock    = "send.lock"
	reportsLock = "reports.lock"

	lockPoll = 50 * time.Millisecond
)

// LockedError is another process of ours holding the lock for too long.
type LockedError struct {
	Path   string
	Holder string // "process 123 (voipbl sync) since 10:00:00", as far as known
	Waited time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is held by %s: waited %s", e.Path, e.Holder, e.Waited)
}

// Remedy says what to do about it.
func (e *LockedError) Remedy() string {
	return "wait until it has finished, or wait longer with --wait; the lock goes with the process, there is no file to remove"
}

// RunDirError is the folder of the lock not being usable.
type RunDirError struct{ Err error }

func (e *RunDirError) Error() string { return "run_dir: " + e.Err.Error() }
func (e *RunDirError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *RunDirError) Remedy() string {
	return "run it as root, or set \"run_dir:\" to a folder that can be made and written to"
}

// AgentRunningError is an agent being at work where there may be none.
type AgentRunningError struct{ Holder string }

func (e *AgentRunningError) Error() string { return "the agent is running: " + e.Holder }

// Remedy says what to do about it.
func (e *AgentRunningError) Remedy() string {
	return "end it first: systemctl stop voipbl, or kill the process"
}

// lockAgent takes the lock that tells that an agent runs.
func lockAgent(ctx context.Context, cfg config.Config, what string) (unlock func(), err error) {
	unlock, err = lock(ctx, cfg.RunDir, agentLock, what, agentWait, nil)
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		return nil, &AgentRunningError{locked.Holder}
	}
	return unlock, err
}

// agentWait is for whoever just looks whether an agent runs, or for one that is
// about to end.
const agentWait = 2 * time.Second

// agentRuns tells whether an agent is at work, and which.
func agentRuns(cfg config.Config) (who string, yes bool) {
	f, err := os.OpenFile(filepath.Join(cfg.RunDir, agentLock), os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return "", false
	}
	return holder(f), true
}

// lock takes one of the locks. It belongs to the open file, so it ends with the process however that
// ends. The file stays: removing it would let two processes hold two locks.
func lock(ctx context.Context, dir, name, what string, wait time.Duration, waiting func(holder string)) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &RunDirError{err}
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &RunDirError{err}
	}
	if err := acquire(ctx, f, wait, waiting); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Path: path, Holder: holder(f), Waited: wait}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Only for the message that another process shows: an error here is none.
	f.Truncate(0)
	fmt.Fprintf(io.NewOffsetWriter(f, 0), "process %d (%s) since %s", os.Getpid(), what, time.Now().Format(time.DateTime))
	return func() { f.Close() }, nil
}

// acquire tries until it has the lock or wait is over, and says once that it
// waits.
func acquire(ctx context.Context, f *os.File, wait time.Duration, waiting func(holder string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, unix.EWOULDBLOCK)
	defer cancel()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if waiting != nil {
			waiting(holder(f))
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
		}
	}
}

func holder(f *os.File) string {
	const longest = 200
	text, err := io.ReadAll(io.NewSectionReader(f, 0, longest))
	if s := strings.TrimSpace(string(text)); err == nil && s != "" {
		return s
	}
	return "another process"
}
