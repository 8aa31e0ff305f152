package host

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
	// runTimeout bounds one run of a program. fail2ban-client takes 0.2 s and
	// "asterisk -rx" 0.1 s here (measured); a host under attack is slower.
	runTimeout = 5 * time.Second

	// runGrace is how long a killed program's children may keep its output open.
	runGrace = time.Second

	// maxOutput bounds what a program may say: 100,000 bans are 1.6 MB, and a
	// registered phone is half a kilobyte of Asterisk's.
	maxOutput = 16 << 20
)

// RunError is a program that did not do what it was asked for.
type RunError struct {
	Command string // with its arguments
	Said    string // what it wrote to its standard error
	Err     error
	remedy  string
}

func (e *RunError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, e.Said)
}

func (e *RunError) Unwrap() error { return e.Err }

// Remedy is what to do about it.
func (e *RunError) Remedy() string {
	if e.remedy != "" {
		return e.remedy
	}
	return fmt.Sprintf("run %q yourself, as root, and see what it says", e.Command)
}

var errOutput = fmt.Errorf("says more than %d MiB", maxOutput>>20)

// run is the one place where a program is run that is asked one thing, see [f2bClient] for
// the other. It returns what it wrote to its standard output and error. It is killed when its time is up.
func run(ctx context.Context, command ...string) (out, said string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("no answer within %s", runTimeout))
	defer cancel()
	var stdout, stderr limited
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = runGrace
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case stdout.over || stderr.over:
		err = errOutput
	}
	if err != nil {
		err = &RunError{Command: strings.Join(command, " "), Said: firstLines(stderr.String()), Err: err}
	}
	return stdout.String(), stderr.String(), err
}

// run runs a program as [run] does, as long as the look may take.
func (l *looker) run(command ...string) (out, said string, err error) { return run(l.ctx, command...) }

// limited keeps the first maxOutput bytes, and refuses more: the program gets a
// broken pipe. It may be read while the program writes.
type limited struct {
	mu   sync.Mutex
	text bytes.Buffer // not embedded: its ReadFrom would be used, and has no bound
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len()+len(p) > maxOutput {
		l.over = true
		return 0, errOutput
	}
	return l.text.Write(p)
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// firstLines is what of a program's complaint fits into a message.
func firstLines(said string) string {
	const most = 300
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + " …"
	}
	return said
}

// programFolders are where daemons and their tools are, also if PATH does not say
// so: cron's has no sbin, and what was built by hand is in /usr/local or in a
// folder of its own (FreeSWITCH's default prefix, OpenSIPS' and Kamailio's sbin).
var programFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/freeswitch/bin"}

// program finds an installed program below root, or returns an empty path.
func (l *looker) program(name string) string {
	if l.real() {
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

// absent reports whether an error only says that something is not there.
func absent(err error) bool { return errors.Is(err, os.ErrNotExist) }
