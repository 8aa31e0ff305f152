package testhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// insideEnv is the environment of a command: what a service has, nothing of the
// test's own.
var insideEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"USER=root",
	"LOGNAME=root",
	"SHELL=/bin/sh",
	"LANG=C.UTF-8",
}

// forbidden are the capabilities that the container's init does not have, so no
// command may. By some of them it could change the machine itself, since there is
// one clock and one kernel.
const forbidden = "-sys_time,-sys_module,-sys_rawio,-sys_pacct,-syslog,-ipc_lock,-mac_admin,-mac_override," +
	"-wake_alarm,-block_suspend,-audit_read,-perfmon,-bpf,-checkpoint_restore"

// insideScript starts a command in a session of its own, as a child of a shell
// that is on the host in all but its process number. nsenter could be the parent
// itself, but it stops when its child is stopped, as all processes are at the end
// of a shutdown; nobody would let it go on then, and the shutdown would wait for
// the child for ever. The shell's remarks on how the child ended are not wanted.
const insideScript = `exec 3>&2 2>/dev/null; (exec 2>&3 3>&-; exec setsid "$@"); exit $?`

// leftoverLimit is how long output is still awaited after a command has ended,
// from a program that it left behind.
const leftoverLimit = 2 * time.Second

// Command is a command on the host that is not yet started, as root and in /.
// The end of ctx kills it with its process group. Other signals have to be sent
// on the host: the process that the test sees is not the command. An exit code of
// 128 and more is that of a signal.
func (h *Host) Command(ctx context.Context, args ...string) *exec.Cmd {
	init := h.current.Load().up()
	if init == nil {
		return &exec.Cmd{Err: errors.New("the host is down")}
	}
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(init.pid),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--no-fork", "--cgroup", "--root", "--wd", "--",
		"setpriv", "--bounding-set="+forbidden, "--", "sh", "-c", insideScript, "sh")
	cmd.Args = append(cmd.Args, args...)
	cmd.Env = insideEnv
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, // for kill
		// Else the command is in the group of the test, which cannot be
		// named on the host: systemd could not move it into a scope.
		UseCgroupFD: true,
		CgroupFD:    int(init.group.Fd()),
	}
	cmd.Cancel = func() error { return kill(cmd.Process.Pid) }
	cmd.WaitDelay = leftoverLimit
	return cmd
}

// kill kills the command of the shell, but not the shell: it has to wait for its
// child. Else that is left to the machine's init, which in a container may never
// do it, and a host cannot end before.
func kill(shell int) error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
	if err != nil {
		return os.ErrProcessDone
	}
	command, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil { // it has not come so far
		return syscall.Kill(-shell, syscall.SIGKILL)
	}
	err = syscall.Kill(-command, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) { // it has no session yet
		err = syscall.Kill(command, syscall.SIGKILL)
	}
	return err
}

// Run runs a command on the host and returns what it wrote to both outputs, and
// its exit code, which is 128 and the signal's number for one that was killed.
func (h *Host) Run(args ...string) (out string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := h.Command(ctx, args...)
	b, err := cmd.CombinedOutput()
	out = string(b)
	if ctx.Err() != nil {
		h.t.Fatalf("%s: not done after %v\n%s", strings.Join(args, " "), commandLimit, out)
	}
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return out, 0
	case !errors.As(err, &exit):
		h.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out, exit.ExitCode()
}

// Must is Run for a command whose failure fails the test.
func (h *Host) Must(args ...string) string {
	h.t.Helper()
	out, code := h.Run(args...)
	if code != 0 {
		h.t.Fatalf("%s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// Root is the host's / as the test sees it, with all that is mounted there. It
// changes with each boot. A path below it must not go through an absolute link,
// which would lead to the machine's own files.
func (h *Host) Root() string {
	h.t.Helper()
	init := h.current.Load().up()
	if init == nil {
		h.t.Fatal("the host is down")
	}
	return fmt.Sprintf("/proc/%d/root", init.pid)
}

// CopyIn copies the test's file src to dst on the host, which is an absolute
// path, and makes the folders that it needs. A program that runs is replaced.
func (h *Host) CopyIn(src, dst string, mode fs.FileMode) {
	h.t.Helper()
	f, err := os.Open(src)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := h.Command(ctx, "install", "-D", fmt.Sprintf("--mode=%o", mode.Perm()), "/dev/stdin", dst)
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("copy %s to %s on the host: %v\n%s", src, dst, err, out)
	}
}
