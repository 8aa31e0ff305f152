package host

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// proc is where the kernel tells about processes.
const proc = "/proc"

// process is a running program.
type process struct {
	pid  int
	name string // as the kernel has it: at most 15 bytes
	args []string
}

// listProcesses lists the processes of this host by their ids, without those of
// containers: these have ids of their own and are other hosts for us.
func (l *looker) listProcesses() []process {
	entries, err := os.ReadDir(proc)
	l.unknown("the processes", err, "mount /proc")
	own, _ := os.Readlink(proc + "/self/ns/pid")
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, e.Name())
		if ns, err := os.Readlink(dir + "/ns/pid"); err == nil && own != "" && ns != own {
			continue
		}
		comm, err := readFile(dir + "/comm")
		if err != nil {
			continue // it has ended
		}
		cmdline, _ := readFile(dir + "/cmdline")
		all = append(all, process{pid, strings.TrimSuffix(comm, "\n"), parseCmdline(cmdline)})
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	return all
}

// parseCmdline splits what /proc/PID/cmdline has. A program that changes its
// title overwrites it, mostly without the zeroes.
func parseCmdline(text string) []string {
	text = strings.TrimRight(text, "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// commLength is how much of a name the kernel keeps (TASK_COMM_LEN less the zero,
// linux/sched.h).
const commLength = 15

// interpreters run scripts: the script's name is their first argument.
var interpreters = []string{"sh", "bash", "dash", "perl", "php", "python", "env", "node"}

// runs reports whether the process is that program: by its own name, by that of
// its file, by the title that it has given itself ("voipfirewalld (Monitor
// thread)"), or as a script.
func (p process) runs(name string) bool {
	if p.name == name[:min(len(name), commLength)] {
		return true
	}
	if len(p.args) == 0 {
		return false
	}
	title, _, _ := strings.Cut(strings.TrimSuffix(p.args[0], ":"), " ")
	if filepath.Base(title) == name {
		return true
	}
	interpreter := strings.TrimRight(filepath.Base(p.args[0]), "0123456789.")
	if !slices.Contains(interpreters, interpreter) {
		return false
	}
	for _, a := range p.args[1:] {
		if !strings.HasPrefix(a, "-") { // the script; what follows are its own arguments
			return filepath.Base(a) == name
		}
	}
	return false
}

// userHZ is the unit of times in /proc/PID/stat: USER_HZ is 100 on all that we run on.
const userHZ = 100

// age is for how long the process has run: field 22 of its stat is when it began, since
// the boot (proc_pid_stat(5)).
func (p process) age() (time.Duration, bool) {
	text, err := readFile(filepath.Join(proc, strconv.Itoa(p.pid), "stat"))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	var up unix.Timespec
	if err != nil || len(fields) < 20 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0, false
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	return time.Duration(up.Nano()) - time.Duration(ticks)*time.Second/userHZ, err == nil
}

// running reports whether one of the programs runs.
func (l *looker) running(names ...string) bool {
	return slices.ContainsFunc(l.processes, func(p process) bool { return slices.ContainsFunc(names, p.runs) })
}
