package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// RunTimeout is how long one run of a program may take. Measured: fail2ban-client
	// takes 0.2 s, "asterisk -rx" 0.1 s; a host under attack is slower.
	RunTimeout = 5 * time.Second

	// ChangeTimeout is how long a program may take that has something changed: systemd gives a service a minute
	// and a half to end, and as long to start.
	ChangeTimeout = 3 * time.Minute

	// RunGrace is how long a killed program's children may keep its output open.
	RunGrace = time.Second

	// MaxOutput is the most output of a program: 100,000 bans are 1.6 MB, and Asterisk
	// writes half a kilobyte for each registered phone.
	MaxOutput = 16 << 20
)

// RunError is the error of a program that has failed.
type RunError struct {
	Command string // with its arguments
	Said    string // what it wrote to its standard error
	Err     error
	Advice  string // what to do about it; empty: to run the command by hand
}

func (e *RunError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, e.Said)
}

func (e *RunError) Unwrap() error { return e.Err }

// Remedy returns what to do about it.
func (e *RunError) Remedy() string {
	if e.Advice != "" {
		return e.Advice
	}
	return fmt.Sprintf("run %q yourself, as root, and see what it says", e.Command)
}

// ErrOutput is the error for output of more than [MaxOutput].
var ErrOutput = fmt.Errorf("says more than %d MiB", MaxOutput>>20)

// Run runs a program and returns its standard output and standard error. It kills the
// program after [RunTimeout].
func Run(ctx context.Context, command ...string) (out, said string, err error) {
	return run(ctx, RunTimeout, command)
}

// Change is [Run] for a program that does not only look: it has [ChangeTimeout].
func Change(ctx context.Context, command ...string) (out, said string, err error) {
	return run(ctx, ChangeTimeout, command)
}

func run(ctx context.Context, limit time.Duration, command []string) (out, said string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	var stdout, stderr Limited
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = RunGrace
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case stdout.over || stderr.over:
		err = ErrOutput
	}
	if err != nil {
		err = &RunError{Command: strings.Join(command, " "), Said: FirstLines(stderr.String()), Err: err}
	}
	return stdout.String(), stderr.String(), err
}

// Run is the function Run with the context of the look.
func (l *Look) Run(command ...string) (out, said string, err error) { return Run(l.ctx, command...) }

// Limited keeps the first [MaxOutput] bytes and refuses more, so that the program gets
// a broken pipe. It may be read while the program writes.
type Limited struct {
	mu   sync.Mutex
	text bytes.Buffer // not embedded, because its ReadFrom has no limit
	over bool
}

func (l *Limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len()+len(p) > MaxOutput {
		l.over = true
		return 0, ErrOutput
	}
	return l.text.Write(p)
}

func (l *Limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// FirstLines returns the part of a program's error output that fits into a message, as
// one line.
func FirstLines(said string) string {
	const most = 300
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + " …"
	}
	return said
}

// programFolders are the folders of daemons and their tools that may be missing in
// PATH: cron's PATH has no sbin, and programs built by hand are in /usr/local or in a
// folder of their own (FreeSWITCH's default prefix, OpenSIPS' and Kamailio's sbin).
var programFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/freeswitch/bin"}

// Program returns the path of an installed program below the root, or "".
func (l *Look) Program(name string) string {
	if l.Real() {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	for _, dir := range programFolders {
		path := filepath.Join(l.root, dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// Absent reports whether an error only means that something does not exist.
func Absent(err error) bool { return errors.Is(err, os.ErrNotExist) }
