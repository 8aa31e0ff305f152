package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
)

// holder returns what the holder of a lock has written into its file.
func holder(f *os.File) string {
	const longest = 200
	text, err := io.ReadAll(io.NewSectionReader(f, 0, longest))
	if s := strings.TrimSpace(string(text)); err == nil && s != "" {
		return s
	}
	return "another process"
}

// pidOf returns the process that a holder's text names, or 0.
func pidOf(holder string) (pid int) {
	fmt.Sscanf(holder, "process %d ", &pid)
	return pid
}

// isAgent reports whether the holder of a lock in dir is the agent.
func isAgent(dir, holder string) bool {
	agent, runs, err := AgentRuns(config.Config{RunDir: dir})
	return err == nil && runs && pidOf(agent) != 0 && pidOf(agent) == pidOf(holder)
}

// heldBy lists the locks in dir that the process holds for which other commands wait.
func heldBy(dir string, pid int) (names []string) {
	for _, name := range []string{MainLock, SetsLock, RulesLock, BansLock, AllowedLock, ReportsLock} {
		if who, held, _ := lockedBy(filepath.Join(dir, name)); held && pid != 0 && pidOf(who) == pid {
			names = append(names, name)
		}
	}
	return names
}

// lockedBy reports whether a process holds a lock, and what it has written there.
func lockedBy(path string) (who string, held bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case err == nil:
		return "", false, nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		return "", false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return holder(f), true, nil
}
