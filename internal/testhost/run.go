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

// insideEnv is the environment of a command: that of a service, without anything of the
// test's.
var insideEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"USER=root",
	"LOGNAME=root",
	"SHELL=/bin/sh",
	"LANG=C.UTF-8",
}

// forbidden are capabilities that the container's init does not have, so commands must
// not have them either. With some of them a command could change the machine itself,
// because clock and kernel are shared.
const forbidden = "-sys_time,-sys_module,-sys_rawio,-sys_pacct,-syslog,-ipc_lock,-mac_admin,-mac_override," +
	"-wake_alarm,-block_suspend,-audit_read,-perfmon,-bpf,-checkpoint_restore"

// insideScript starts a command in its own session, as a child of a shell that is in
// all the host's namespaces except for PIDs. nsenter cannot be the parent: it stops
// when its child is stopped, as all processes are at the end of a shutdown, and nothing
// would continue it, so the shutdown would wait for the child forever. The shell's own
// messages about the end of the child are discarded.
const insideScript = `exec 3>&2 2>/dev/null; (exec 2>&3 3>&-; exec setsid "$@"); exit $?`

// leftoverLimit is how long to wait for more output after a command has ended, if it
// has left a program behind.
const leftoverLimit = 2 * time.Second

// Command returns a command to be started on the host, as root and in /. The end of ctx
// kills it with its process group. Send other signals on the host: the process that the
// test sees is not the command. An exit code of 128 or more means a signal.
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
		// Otherwise the command is in the test's control group, which does not exist on
		// the host, so that systemd could not move it into a scope.
		UseCgroupFD: true,
		CgroupFD:    int(init.group.Fd()),
	}
	cmd.Cancel = func() error { return kill(cmd.Process.Pid) }
	cmd.WaitDelay = leftoverLimit
	return cmd
}

// kill kills the command of the shell, but not the shell, which has to wait for its
// child. Otherwise the machine's init would have to, which in a container may never do
// so, and the host could not end.
func kill(shell int) error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
	if err != nil {
		return os.ErrProcessDone
	}
	command, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil { // not started yet
		return syscall.Kill(-shell, syscall.SIGKILL)
	}
	err = syscall.Kill(-command, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) { // no session yet
		err = syscall.Kill(command, syscall.SIGKILL)
	}
	return err
}

// Run runs a command on the host and returns its output and error output together, and
// its exit code, which is 128 plus the signal's number if it was killed.
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

// Must is Run, but fails the test if the command fails.
func (h *Host) Must(args ...string) string {
	h.t.Helper()
	out, code := h.Run(args...)
	if code != 0 {
		h.t.Fatalf("%s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// Root returns the host's / for the test, with all its mounts. It changes with each
// boot. Do not follow absolute links below it: they lead to the machine's own files.
func (h *Host) Root() string {
	h.t.Helper()
	init := h.current.Load().up()
	if init == nil {
		h.t.Fatal("the host is down")
	}
	return fmt.Sprintf("/proc/%d/root", init.pid)
}

// CopyIn copies the test's file src to the absolute path dst on the host, and makes
// missing folders. It replaces a running program.
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
