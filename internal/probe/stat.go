package probe

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the number of ticks a second in /proc/PID/stat: USER_HZ is 100 on all
// supported machines.
const userHZ = 100

// Stat is the part of /proc/PID/stat that voipbl needs (proc_pid_stat(5)).
type Stat struct {
	Name   string
	Parent int
	Start  time.Duration // since the boot
}

// StatBytes is enough for a whole /proc/PID/stat: about fifty numbers and a name.
const StatBytes = 2048

// ReadStat reads a file /proc/PID/stat.
func ReadStat(file string) (Stat, error) {
	return ReadStatAt(unix.AT_FDCWD, file, make([]byte, StatBytes))
}

// ReadStatAt reads a file PID/stat in an open /proc into a buffer of [StatBytes]. It makes as
// few system calls as possible, because each ban reads the files of all processes.
func ReadStatAt(dir int, file string, buf []byte) (Stat, error) {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Openat(dir, file, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return Stat{}, err
	}
	defer unix.Close(fd)
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf) })
	if err != nil {
		return Stat{}, err
	}
	return parseStat(buf[:n])
}

// ignoringEINTR repeats a system call that a signal of the Go runtime has interrupted.
func ignoringEINTR(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// parseStat reads fields 2, 4 and 22. Field 2 is the program's name in parentheses and
// may contain any byte.
func parseStat(text []byte) (Stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Stat{}, os.ErrInvalid
	}
	var parent, start []byte
	n := 3
	for field := range bytes.FieldsSeq(text[end+1:]) {
		switch n {
		case 4:
			parent = field
		case 22:
			start = field
		}
		n++
	}
	if start == nil {
		return Stat{}, os.ErrInvalid
	}
	ppid, errP := strconv.Atoi(string(parent))
	ticks, errT := strconv.ParseInt(string(start), 10, 64)
	return Stat{string(text[open+1 : end]), ppid, time.Duration(ticks) * time.Second / userHZ}, errors.Join(errP, errT)
}

// Uptime returns the time since the boot, by the clock of processes' start times.
func Uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
