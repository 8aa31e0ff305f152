package logins

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/probe"
)

// ServedSince returns when the sshd started that serves the caller's connection, as time since the
// boot. A session may be younger than its connection, if it shares an older one (ControlMaster of
// ssh_config(5)) or has waited for a password. It is the parent of the outermost process that has
// the connection in its environment. If there is no such process, the result is the largest time.
func ServedSince(proc string, pid int) time.Duration {
	served := time.Duration(math.MaxInt64)
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		dir := filepath.Join(proc, strconv.Itoa(pid))
		stat, err := probe.ReadStat(filepath.Join(dir, "stat"))
		if err != nil {
			break
		}
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if _, ok := parseConnection(environ); ok {
			parent, err := probe.ReadStat(filepath.Join(proc, strconv.Itoa(stat.Parent), "stat"))
			if err == nil && strings.HasPrefix(parent.Name, "sshd") {
				served = parent.Start
			}
		}
		pid = stat.Parent
	}
	return served
}
