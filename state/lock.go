package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
)

const (
	// Each lock is held for one kind of work. A process that takes several takes them
	// in this order. The agent holds agentLock as long as it runs. MainLock is for
	// fetching and writing the copies of lists; it may be held while a server is slow.
	// SetsLock is for changes to the sets and for reading local files, RulesLock for
	// changes to the rules; both are held for a moment, so that neither a ban nor the
	// repair of a lockout waits for a slow server. BansLock is for writing the list of
	// bans, and is taken alone. SendLock is for sending reports to VoIPBL, and may be
	// held while a server is slow; ReportsLock is for writing reports, for a moment. No
	// other lock is taken together with these two.
	agentLock = "agent.lock"
	MainLock  = "lock"
	SetsLock  = "sets.lock"
	RulesLock = "rules.lock"
	BansLock  = "bans.lock"

	// AllowedLock is for writing the list of allowed hosts, for a moment.
	AllowedLock = "allowed.lock"

	// PhonesLock is for changing the list of registered phones and the sets made from it, for
	// a moment.
	PhonesLock = "phones.lock"

	// DocumentLock is for writing the operator's document of a fleet, for a moment.
	DocumentLock = "document.lock"

	// ConnectLock is for connecting the PBX and taking that back. Its holder may ask the agent to take
	// over the configuration, and so takes it before any other.
	ConnectLock = "connect.lock"

	// FleetLock is for changing the keys of a fleet, on its hub. It is taken alone.
	FleetLock = "fleet.lock"

	SendLock    = "send.lock"
	ReportsLock = "reports.lock"

	lockPoll = 50 * time.Millisecond
)

// LockedError is returned if another process of voipbl holds the lock for too long.
type LockedError struct {
	Path   string
	Holder string // "process 123 (voipbl sync) since 10:00:00", as far as known
	Agent  bool   // the holder is the agent
	Waited time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is held by %s: waited %s", e.Path, e.Holder, e.Waited)
}

// Remedy returns what to do about it.
func (e *LockedError) Remedy() string {
	if e.Agent {
		return "run it again in a moment; if \"voipbl status\" then says that the agent does not answer, \"systemctl restart voipbl\" ends it and keeps sets and rules in force meanwhile"
	}
	return "wait until it has finished, or wait longer with --wait; the lock goes with the process, there is no file to remove"
}

// RunDirError is returned if the folder of the lock cannot be used.
type RunDirError struct{ Err error }

func (e *RunDirError) Error() string { return "run_dir: " + e.Err.Error() }
func (e *RunDirError) Unwrap() error { return e.Err }

// Remedy returns what to do about it.
func (e *RunDirError) Remedy() string {
	if short := problem.ShortageRemedy(e.Err); short != "" {
		return short
	}
	if errors.Is(e.Err, fs.ErrPermission) {
		return "run it as root"
	}
	return "see why the folder cannot be made or written to, or set \"run_dir:\" to one that can"
}

// AgentRunningError is returned if an agent is running where none may run.
type AgentRunningError struct{ Holder string }

func (e *AgentRunningError) Error() string { return "the agent is running: " + e.Holder }

// Remedy returns what to do about it.
func (e *AgentRunningError) Remedy() string {
	return "end it first: systemctl stop voipbl, or kill the process"
}

// KeepAgentAway keeps agents from starting until unlock, and fails if one is running. It
// takes the lock shared, so that other processes do not take its holder for an agent.
func KeepAgentAway(ctx context.Context, cfg config.Config, what string) (unlock func(), err error) {
	return lockAgent(ctx, cfg, unix.LOCK_SH, what)
}

// lockAgent takes the lock by which an agent is found; the agent itself takes it
// exclusively.
func lockAgent(ctx context.Context, cfg config.Config, how int, what string) (unlock func(), err error) {
	unlock, err = lockAs(ctx, how, cfg.RunDir, agentLock, what, agentWait, nil)
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		return nil, &AgentRunningError{locked.Holder}
	}
	return unlock, err
}

// agentWait is how long to wait for a process that only looks whether an agent is
// running, or for an agent that is about to end.
const agentWait = 2 * time.Second

// AgentRuns reports whether an agent is running, and which. It returns an error if that
// cannot be found out.
func AgentRuns(cfg config.Config) (who string, yes bool, err error) {
	who, yes, err = lockedBy(filepath.Join(cfg.RunDir, agentLock))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return "", false, nil
	case err != nil:
		return "", false, &agentUnknownError{err}
	}
	return who, yes, nil
}

// agentUnknownError is returned if it cannot be found out whether an agent is running.
type agentUnknownError struct{ Err error }

func (e *agentUnknownError) Error() string {
	return "it cannot be known whether an agent runs: " + e.Err.Error()
}

func (e *agentUnknownError) Unwrap() error { return e.Err }

// Remedy returns what to do about it.
func (e *agentUnknownError) Remedy() string {
	if short := problem.ShortageRemedy(e.Err); short != "" {
		return short
	}
	return "run it as root"
}

// AgentHold is the agent's lock, held by the agent.
type AgentHold struct {
	Release func()
	Path    string
	file    os.FileInfo
}

// HoldAgent takes the agent's lock for this process.
func HoldAgent(ctx context.Context, cfg config.Config, what string) (*AgentHold, error) {
	release, err := lockAgent(ctx, cfg, unix.LOCK_EX, what)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(cfg.RunDir, agentLock)
	file, err := os.Lstat(path)
	if err != nil {
		release()
		return nil, &RunDirError{err}
	}
	return &AgentHold{release, path, file}, nil
}

// Lost reports whether the lock's file is gone or was replaced, so that a second agent
// could start. It returns an error if that cannot be found out now. It needs no file
// descriptor.
func (h *AgentHold) Lost() (bool, error) {
	file, err := os.Lstat(h.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("the agent cannot look after its lock: %w", err)
	}
	return !os.SameFile(file, h.file), nil
}

// Lock takes one of the locks. The lock belongs to the open file, so it ends with the
// process, however that ends. The file is never removed: otherwise two processes could hold
// the lock, each on its own file.
func Lock(ctx context.Context, dir, name, what string, wait time.Duration, waiting func(holder string)) (unlock func(), err error) {
	return lockAs(ctx, unix.LOCK_EX, dir, name, what, wait, waiting)
}

// lockAs is Lock, exclusive (LOCK_EX) or shared (LOCK_SH).
func lockAs(ctx context.Context, how int, dir, name, what string, wait time.Duration, waiting func(holder string)) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &RunDirError{err}
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &RunDirError{err}
	}
	if err := acquire(ctx, f, how, wait, waiting); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			who := holder(f)
			return nil, &LockedError{Path: path, Holder: who, Agent: isAgent(dir, who), Waited: wait}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// This text is only for messages of other processes, so errors are ignored.
	// It is cut after it was written, so that it is never empty.
	n, _ := fmt.Fprintf(io.NewOffsetWriter(f, 0), "process %d (%s) since %s", os.Getpid(), what, time.Now().Format(time.DateTime))
	f.Truncate(int64(n))
	return func() { f.Close() }, nil
}

// acquire tries to take the lock until wait is over. It calls waiting once if it has to
// wait.
func acquire(ctx context.Context, f *os.File, how int, wait time.Duration, waiting func(holder string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, unix.EWOULDBLOCK)
	defer cancel()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
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
