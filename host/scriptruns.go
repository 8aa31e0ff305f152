package host

import (
	"path/filepath"
	"slices"
	"strings"
)

// ScriptRuns are the processes on this host's network that run the published voipbl.sh, by
// its name.
func ScriptRuns() (pids []int) {
	for _, p := range new(looker).listProcesses() {
		if scriptOf(p.args) == scriptName && p.sharesNetwork() {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// scriptOf is the name of the script that a process runs, by its arguments: that of a shell
// is the first that is no option. An editor that has a script open runs none.
func scriptOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	name := filepath.Base(args[0])
	if !slices.Contains([]string{"sh", "bash", "dash", "busybox", "env"}, name) {
		return name
	}
	for _, a := range args[1:] {
		if a == "-c" {
			return "" // what follows is a command, whose own process counts
		}
		if !strings.HasPrefix(a, "-") && a != "sh" && a != "bash" {
			return filepath.Base(a)
		}
	}
	return ""
}
