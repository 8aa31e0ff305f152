package voipblsh

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// Running returns the processes on this host's network that run the published voipbl.sh.
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

// ancestors returns the processes that started this one. A script that installs voipbl may contain
// everything that marks the published script.
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

// shells are programs that run shell scripts. Each keeps a script open while running it, however it
// was started, except that bash does not for "source".
var shells = []string{"sh", "bash", "rbash", "dash", "ash", "busybox", "ksh", "mksh", "zsh", "yash", "posh"}

// isShell reports whether a process runs a shell, under any name.
func isShell(p probe.Process) bool {
	exe, _ := os.Readlink(p.Path("exe"))
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)")) // after an upgrade of the shell
	return slices.Contains(shells, strings.TrimRight(name, "0123456789.-"))
}

// hasScriptOpen reports whether a process has the script open. It goes by the file's name and, with
// alsoByText, by its content.
func hasScriptOpen(p probe.Process, alsoByText bool) bool {
	dir := p.Path("fd")
	fds, _ := os.ReadDir(dir) // none if the process has ended
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

// sources matches a command that makes a shell source the script.
var sources = lazyregexp.New(`(^|[;&|({]|\s)(\.|source)\s+["']?([^\s;&|"']*/)?` + regexp.QuoteMeta(scriptName) + `\b`)

// sourcesScript reports whether a shell was started for such a command.
func sourcesScript(args []string) bool {
	return slices.ContainsFunc(args[min(1, len(args)):], sources().MatchString)
}
