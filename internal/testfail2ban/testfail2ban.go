// Package testfail2ban runs a real fail2ban for a test, in the network namespace of the
// calling goroutine, with Debian's filters and actions and its own configuration,
// socket and log. It reads Debian's files and does not change them.
package testfail2ban

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// conf is fail2ban.conf. There is no database, so fail2ban forgets everything when it
// ends.
const conf = `[Definition]
loglevel = INFO
logtarget = DIR/fail2ban.log
syslogsocket = auto
socket = DIR/socket
pidfile = DIR/pid
dbfile = None
dbmaxmatches = 10
dbpurgeage = 1d
allowipv6 = yes
`

// New makes a folder with a configuration and with the test's files. DIR in their texts
// is replaced by the folder.
func New(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := errors.Join(
		os.CopyFS(filepath.Join(dir, "action.d"), os.DirFS("/etc/fail2ban/action.d")),
		os.CopyFS(filepath.Join(dir, "filter.d"), os.DirFS("/etc/fail2ban/filter.d")))
	if err != nil {
		t.Fatal(err)
	}
	Write(t, dir, "fail2ban.conf", conf)
	for name, text := range files {
		Write(t, dir, name, text)
	}
	return dir
}

// Write makes a file in the folder.
func Write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Options returns the options by which fail2ban's two programs find each other. etc is
// the folder of the configuration; the other files are in dir.
func Options(etc, dir string) []string {
	return []string{"-c", etc, "-s", filepath.Join(dir, "socket"), "-p", filepath.Join(dir, "pid")}
}

// Start runs a server until the test ends. env is its environment; nil is the test's
// own.
func Start(t testing.TB, env []string, options ...string) *exec.Cmd {
	t.Helper()
	server := exec.Command("fail2ban-server", slices.Concat(options, []string{"-f", "start"})...)
	server.Env = env
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // this thread ends with the test
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if server.ProcessState == nil {
			server.Process.Kill()
			server.Wait()
		}
	})
	return server
}

// Answers reports whether the server of a folder answers "ping". It speaks the protocol
// itself, because each start of fail2ban-client takes 80 ms of processor time.
func Answers(dir string) bool {
	// The list ["ping"] in Python's pickle format, and the end of a message.
	const ping, end = "(lVping\na.", "<F2B_END_COMMAND>"
	conn, err := net.Dial("unix", filepath.Join(dir, "socket"))
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, ping+end); err != nil {
		return false
	}
	var answer []byte
	for part := make([]byte, 256); !bytes.HasSuffix(answer, []byte(end)); {
		n, err := conn.Read(part)
		if answer = append(answer, part[:n]...); err != nil {
			return false
		}
	}
	return bytes.Contains(answer, []byte("pong"))
}
