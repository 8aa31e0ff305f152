package host

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ScriptRuns are the processes on this host's network that run the published voipbl.sh.
func ScriptRuns() (pids []int) {
	before := ancestors()
	for _, p := range new(looker).listProcesses() {
		if p.isShell() && (p.hasScriptOpen(!slices.Contains(before, p.pid)) || sourcesScript(p.args)) && p.sharesNetwork() {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// ancestors are the processes that have started this one: a script that installs voipbl may
// say all that the published one does.
func ancestors() (pids []int) {
	for pid := os.Getppid(); pid > 0 && !slices.Contains(pids, pid); {
		pids = append(pids, pid)
		text, _ := readFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 {
			break
		}
		pid, _ = strconv.Atoi(fields[1]) // proc_pid_stat(5)
	}
	return pids
}

// shells are programs that run shell scripts. Each keeps a script open while it runs it,
// however it was started, but one that bash reads by "source".
var shells = []string{"sh", "bash", "rbash", "dash", "ash", "busybox", "ksh", "mksh", "zsh", "yash", "posh"}

// isShell reports whether a shell runs in the process, by whatever name.
func (p process) isShell() bool {
	exe, _ := os.Readlink(filepath.Join(proc, strconv.Itoa(p.pid), "exe"))
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)")) // after an upgrade
	return slices.Contains(shells, strings.TrimRight(name, "0123456789.-"))
}

// hasScriptOpen reports whether one of the process's open files is the script, by its name or
// also by what it says.
func (p process) hasScriptOpen(alsoByText bool) bool {
	dir := filepath.Join(proc, strconv.Itoa(p.pid), "fd")
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
		text, err := readFile(name)
		return err == nil && isScript(text)
	})
}

// sources finds a command that has a shell read the script as its own text.
var sources = regexp.MustCompile(`(^|[;&|({]|\s)(\.|source)\s+["']?([^\s;&|"']*/)?` + regexp.QuoteMeta(scriptName) + `\b`)

// sourcesScript reports whether a shell was started for a command that does so.
func sourcesScript(args []string) bool {
	return slices.ContainsFunc(args[min(1, len(args)):], sources.MatchString)
}
