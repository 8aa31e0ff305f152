// Package testasterisk runs a real Asterisk for a test: Debian's newest, in the network
// namespace of the calling goroutine, with its own configuration, database and logs.
// Several can run side by side. All of it ends with the test, even if that panics or is
// killed.
package testasterisk

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testroot"
)

// recipe is a Debian with Asterisk 22, which no stable release has.
var recipe = testroot.Recipe{Suite: "sid", Packages: []string{"asterisk"}, Version: "1"}

// Root returns the folder of a root with Debian's newest Asterisk. Do not write to it.
func Root(t testing.TB) string {
	t.Helper()
	root, err := testroot.Build(t.Logf, recipe)
	if err != nil {
		t.Fatal("build a root with Asterisk: ", err)
	}
	return root
}

// Time limits for a busy machine; an idle one starts Asterisk in a second.
const (
	startLimit   = 2 * time.Minute
	commandLimit = time.Minute
)

// noInterface begins Asterisk's message in a namespace with only loopback.
const noInterface = "No ethernet interface found for seeding global EID. You will have to set it manually.\n"

// logDir is where Asterisk writes its logs.
const logDir = "/var/log/asterisk"

// Asterisk is a running Asterisk. Its methods are for the goroutine of the test.
type Asterisk struct {
	t      testing.TB
	thread *testroot.Thread // has the mounts, and is the parent
	cmd    *exec.Cmd
	output testroot.Console
	logs   string
	ended  chan struct{}
}

// Start runs Asterisk until the test ends, and returns when it has booted. files are
// files for /etc/asterisk by name, in addition to or instead of Debian's and [Logger].
// Without root the test is skipped.
func Start(t testing.TB, files map[string]string) *Asterisk {
	t.Helper()
	a := &Asterisk{t: t, logs: t.TempDir()}
	a.thread = testroot.Enter(t, recipe, map[string]string{a.logs: logDir}, func() error { return configure(files) })
	t.Cleanup(a.Stop)
	a.Restart()
	return a
}

// Restart starts Asterisk again after [Asterisk.Stop], and returns when it has booted. It has the files
// and the database that it had.
func (a *Asterisk) Restart() {
	a.t.Helper()
	a.cmd = a.command(context.Background(), "-f", "-n")
	a.cmd.Stdout, a.cmd.Stderr = &a.output, &a.output
	a.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := a.thread.Do(a.cmd.Start); err != nil {
		a.t.Fatal("start Asterisk: ", err)
	}
	cmd, ended := a.cmd, make(chan struct{})
	a.ended = ended
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	a.awaitBoot()
}

func configure(files map[string]string) error {
	etc := filepath.Join(testroot.Mounted, "etc/asterisk")
	errs := []error{os.WriteFile(filepath.Join(etc, "logger.conf"), []byte(Logger), 0o644)}
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

// command returns a command of the program for the thread to start.
func (a *Asterisk) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/sbin/asterisk", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: testroot.Mounted}
	return cmd
}

// awaitBoot waits until everything is loaded, so that SIP is answered.
func (a *Asterisk) awaitBoot() {
	a.t.Helper()
	var out string
	var err error
	if !testpoll.Until(startLimit, func() bool {
		select {
		case <-a.ended:
			a.t.Fatalf("Asterisk has ended: %v\n%s", a.cmd.ProcessState, a.output.Tail())
		default:
		}
		out, err = a.cli("core waitfullybooted")
		return err == nil
	}) {
		a.t.Fatalf("Asterisk is not up after %v: %v %s\n%s", startLimit, err, out, a.output.Tail())
	}
}

func (a *Asterisk) cli(command string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := a.command(ctx, "-rx", command)
	err = a.thread.Do(func() error {
		b, err := cmd.CombinedOutput()
		out = strings.TrimPrefix(string(b), noInterface)
		return err
	})
	return out, err
}

// CLI returns what a command of Asterisk's console prints: asterisk -rx COMMAND.
func (a *Asterisk) CLI(command string) string {
	a.t.Helper()
	out, err := a.cli(command)
	if err != nil {
		a.t.Fatalf("asterisk -rx %q: %v\n%s\n%s", command, err, out, a.output.Tail())
	}
	return out
}

// LogFile returns the path of a log for the test, by its name in logger.conf.
func (a *Asterisk) LogFile(name string) string { return filepath.Join(a.logs, name) }

// Log returns the content of a log. Asterisk writes logs in a separate thread, so a
// line may come later than the answer to its packet: see [Asterisk.AwaitLog].
func (a *Asterisk) Log(name string) string {
	a.t.Helper()
	b, err := os.ReadFile(a.LogFile(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.t.Fatal(err)
	}
	return string(b)
}

// AwaitLog waits until a log has the text, and returns the log.
func (a *Asterisk) AwaitLog(name, text string) string {
	a.t.Helper()
	var log string
	if !testpoll.Until(commandLimit, func() bool { log = a.Log(name); return strings.Contains(log, text) }) {
		a.t.Fatalf("%q is not in %s after %v:\n%s", text, name, commandLimit, log)
	}
	return log
}

// Pid returns the number of Asterisk's process.
func (a *Asterisk) Pid() int { return a.cmd.Process.Pid }

// Stop kills Asterisk, as does the end of the test.
func (a *Asterisk) Stop() {
	if a.ended == nil {
		return // it has not started
	}
	_ = a.cmd.Process.Kill()
	<-a.ended
}

// In calls f with the folder that is the PBX's root, where its files can be read and written.
func (a *Asterisk) In(f func(root string) error) {
	a.t.Helper()
	if err := a.thread.Do(func() error { return f(testroot.Mounted) }); err != nil {
		a.t.Fatal(err)
	}
}
