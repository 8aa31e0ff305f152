package voipblsh

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// Running are the processes on this host's network that run the published voipbl.sh.
func Running() (pids []int) {
	before := ancestors()
	all, _ := probe.Processes()
	for _, p := range all {
		if isShell(p) && (hasScriptOpen(p, !slices.Contains(before, p.PID)) || sourcesScript(p.Args)) && p.SharesNetwork() {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// ancestors are the processes that have started this one: a script that installs voipbl may
// say all that the published one does.
func ancestors() (pids []int) {
	for pid := os.Getppid(); pid > 0 && !slices.Contains(pids, pid); {
		pids = append(pids, pid)
		stat, err := probe.ReadStat(probe.Process{PID: pid}.Path("stat"))
		if err != nil {
			break
		}
		pid = stat.Parent
	}
	return pids
}

// shells are programs that run shell scripts. Each keeps a script open while it runs it,
// however it was started, but one that bash reads by "source".
var shells = []string{"sh", "bash", "rbash", "dash", "ash", "busybox", "ksh", "mksh", "zsh", "yash", "posh"}

// isShell reports whether a shell runs in the process, by whatever name.
func isShell(p probe.Process) bool {
	exe, _ := os.Readlink(p.Path("exe"))
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)")) // after an upgrade
	return slices.Contains(shells, strings.TrimRight(name, "0123456789.-"))
}

// hasScriptOpen reports whether one of the process's open files is the script, by its name or
// also by what it says.
func hasScriptOpen(p probe.Process, alsoByText bool) bool {
	dir := p.Path("fd")
	fds, _ := os.ReadDir(dir) // one that has ended has none
	return slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
		name := filepath.Join(dir, fd.Name())
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
		to, _ := os.Readlink(name)
		if filepath.Base(strings.TrimSuffix(to, " (deleted)")) == scriptName {
			return true
		}
		if !alsoByText {
			return false
		}
		text, err := probe.ReadFile(name)
		return err == nil && isScript(text)
	})
}

// sources finds a command that has a shell read the script as its own text.
var sources = regexp.MustCompile(`(^|[;&|({]|\s)(\.|source)\s+["']?([^\s;&|"']*/)?` + regexp.QuoteMeta(scriptName) + `\b`)

// sourcesScript reports whether a shell was started for a command that does so.
func sourcesScript(args []string) bool {
	return slices.ContainsFunc(args[min(1, len(args)):], sources.MatchString)
}
