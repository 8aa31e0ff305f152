package host

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the unit of times in /proc/PID/stat: USER_HZ is 100 on all that we run on.
const userHZ = 100

// procStat is what we need of /proc/PID/stat (proc_pid_stat(5)).
type procStat struct {
	name   string
	parent int
	start  time.Duration // since the boot
}

// statBytes is room for all of it: about fifty numbers and a name.
const statBytes = 2048

func readStat(file string) (procStat, error) {
	return readStatAt(unix.AT_FDCWD, file, make([]byte, statBytes))
}

// readStatAt reads it with as few calls as can be: for a ban those of all processes are
// read.
func readStatAt(dir int, file string, buf []byte) (procStat, error) {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Openat(dir, file, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return procStat{}, err
	}
	defer unix.Close(fd)
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf) })
	if err != nil {
		return procStat{}, err
	}
	return parseStat(buf[:n])
}

// ignoringEINTR repeats a system call that a signal of the runtime's has broken off.
func ignoringEINTR(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// parseStat reads the second, fourth and twenty-second field. The second is the
// program's name in parentheses and may hold anything.
func parseStat(text []byte) (procStat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return procStat{}, os.ErrInvalid
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 {
		return procStat{}, os.ErrInvalid
	}
	ppid, errP := strconv.Atoi(fields[1])
	ticks, errT := strconv.ParseInt(fields[19], 10, 64)
	return procStat{string(text[open+1 : end]), ppid, time.Duration(ticks) * time.Second / userHZ}, errors.Join(errP, errT)
}

// Uptime is the time since the boot, as processes' start times count it.
func Uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
