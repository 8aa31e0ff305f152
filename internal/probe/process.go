package probe

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/procself"
)

// Proc is the kernel's folder of processes.
const Proc = "/proc"

// Process is a running program.
type Process struct {
	PID  int
	Name string // the kernel's name of it, at most 15 bytes
	Args []string
}

// Processes lists the processes of this host by id, without those of containers, which
// count as other hosts.
func Processes() ([]Process, error) {
	entries, err := os.ReadDir(Proc)
	own, _ := os.Readlink(Proc + "/self/ns/pid")
	var all []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(Proc, e.Name())
		if ns, err := os.Readlink(dir + "/ns/pid"); err == nil && own != "" && ns != own {
			continue
		}
		comm, err := ReadFile(dir + "/comm")
		if err != nil {
			continue // it has ended
		}
		cmdline, _ := ReadFile(dir + "/cmdline")
		all = append(all, Process{pid, strings.TrimSuffix(comm, "\n"), parseCmdline(cmdline)})
	}
	slices.SortFunc(all, func(a, b Process) int { return a.PID - b.PID })
	return all, err
}

// parseCmdline splits the content of /proc/PID/cmdline. A program that changes its
// title overwrites that, usually without the zero bytes.
func parseCmdline(text string) []string {
	text = strings.TrimRight(text, "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// commLength is how many bytes of a name the kernel keeps (TASK_COMM_LEN without the
// zero byte, linux/sched.h).
const commLength = 15

// interpreters run scripts: the script's name is their first argument.
var interpreters = []string{"sh", "bash", "dash", "perl", "php", "python", "env", "node"}

// Runs reports whether the process runs the program: by its name, by the name of its
// file, by the title that it has set ("voipfirewalld (Monitor thread)"), or as a
// script.
func (p Process) Runs(name string) bool {
	if p.Name == name[:min(len(name), commLength)] {
		return true
	}
	if len(p.Args) == 0 {
		return false
	}
	title, _, _ := strings.Cut(strings.TrimSuffix(p.Args[0], ":"), " ")
	if filepath.Base(title) == name {
		return true
	}
	interpreter := strings.TrimRight(filepath.Base(p.Args[0]), "0123456789.")
	if !slices.Contains(interpreters, interpreter) {
		return false
	}
	for _, a := range p.Args[1:] {
		if !strings.HasPrefix(a, "-") { // the script; the rest are its arguments
			return filepath.Base(a) == name
		}
	}
	return false
}

// Path returns the path of a file of the process in /proc, such as "fd".
func (p Process) Path(name string) string { return filepath.Join(Proc, strconv.Itoa(p.PID), name) }

// Age returns how long the process has been running.
func (p Process) Age() (time.Duration, bool) {
	stat, err := ReadStat(p.Path("stat"))
	up := Uptime()
	return up - stat.Start, err == nil && up > 0
}

// Running reports whether one of the programs is running.
func (l *Look) Running(names ...string) bool {
	return slices.ContainsFunc(l.Processes, func(p Process) bool { return slices.ContainsFunc(names, p.Runs) })
}

// SharesNetwork reports whether the process is in our network namespace. A device in
// another one may have the same name.
func (p Process) SharesNetwork() bool {
	own, err := os.Readlink(filepath.Join(Proc, procself.Name(), "ns/net"))
	its, _ := os.Readlink(p.Path("ns/net"))
	return err == nil && its == own
}
