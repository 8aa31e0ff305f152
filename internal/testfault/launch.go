package testfault

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// control is the file descriptor of the socket to the test. Launch moves it to a
	// number that no program uses, because the filter must not ask about writes to it.
	control     = 3
	controlHigh = 1000
)

// Launch is the main function of a program that runs its arguments as a command under
// the filter. A test binary calls it if it is started as [Launcher].
func Launch() {
	if err := launch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testfault:", err)
		os.Exit(127)
	}
}

func launch(args []string) error {
	ask := calls
	if args[0] == countFlag {
		ask, args = slices.Concat(calls, counted), args[1:]
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter belongs to this thread, and to the program that it executes
	if err := unix.Dup3(control, controlHigh, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("no socket to the test: %w", err)
	}
	unix.Close(control)
	listener, err := install(program(ask))
	if err != nil {
		return err
	}
	// Send the number of the descriptor to the test, which takes the descriptor and
	// then answers. From here on each call waits for its answer.
	if _, err := unix.Write(controlHigh, []byte{byte(listener)}); err != nil {
		return err
	}
	if _, err := unix.Read(controlHigh, make([]byte, 1)); err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}

// install sets a filter for this thread and returns the descriptor for its questions.
func install(filter []unix.SockFilter) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// Offsets in struct seccomp_data. Its arguments have 64 bits; on little endian machines
// the lower half comes first.
const (
	offsetNumber = 0
	offsetArg0   = 16
)

// program returns a filter that asks about calls. It allows all other calls, the
// creation of threads, and writes to the control socket.
func program(calls []uint32) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	ret := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	allow, ask := ret(unix.SECCOMP_RET_ALLOW), ret(unix.SECCOMP_RET_USER_NOTIF)
	p := []unix.SockFilter{load(offsetNumber)}
	for _, nr := range calls {
		switch nr {
		case unix.SYS_WRITE:
			p = append(p, equal(nr, 0, 4), load(offsetArg0), equal(controlHigh, 0, 1), allow, ask)
		case unix.SYS_CLONE:
			thread := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_THREAD, Jt: 0, Jf: 1}
			p = append(p, equal(nr, 0, 4), load(offsetArg0), thread, allow, ask)
		default:
			p = append(p, equal(nr, 0, 1), ask)
		}
	}
	return append(p, allow)
}
