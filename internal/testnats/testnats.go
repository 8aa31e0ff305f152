// Package testnats runs a real NATS server for a test: Debian's nats-server, in the network namespace
// of the calling goroutine, on loopback. It ends with the test, even if that panics or is killed.
package testnats

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
)

const (
	// limit is for a busy machine; an idle one starts the server in a tenth of a second.
	limit = time.Minute
	// logTail is how much of the log is shown of a failed test.
	logTail = 8 << 10
)

// Place is what a configuration has to say of where the server is.
type Place struct {
	Port  int    // on 127.0.0.1
	Dir   string // for files beside the configuration
	Store string // for JetStream
}

// Plain is a configuration without accounts: everybody may do everything.
func Plain(p Place) string {
	return fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream { store_dir: %q }\n", p.Port, p.Store)
}

// Server is a running server.
type Server struct {
	Place
	t       testing.TB
	command Program
	config  string
	log     string
	process *os.Process
	ended   chan struct{}
}

// Start runs the installed server: see [Program.Start].
func Start(t testing.TB, configure func(Place) string) *Server {
	t.Helper()
	return Installed(t).Start(t, configure)
}

// Start runs a server with the text of a configuration, and returns when it answers.
func (command Program) Start(t testing.TB, configure func(Place) string) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{
		t: t, command: command,
		Place:  Place{Dir: dir, Store: filepath.Join(dir, "store")},
		config: filepath.Join(dir, "nats-server.conf"), log: filepath.Join(dir, "log"),
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("nats-server:\n%s", tail(s.Log()))
		}
	})
	// Somebody else may take the port before the server does.
	for range 5 {
		s.Port = freePort(t)
		s.write(configure(s.Place))
		if s.run() {
			return s
		}
		if !strings.Contains(s.Log(), "address already in use") {
			break
		}
	}
	t.Fatal("nats-server does not answer")
	return nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func tail(log string) string {
	if len(log) > logTail {
		return "…" + log[len(log)-logTail:]
	}
	return log
}

// Address is the server's, as HOST:PORT.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// URL is the server's, without TLS.
func (s *Server) URL() string { return "nats://" + s.Address() }

// Log is all that the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// Kill ends the server at once, as a power failure does; it has no effect on one that has ended.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server in order.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(sig syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(sig) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(limit):
		_ = s.process.Kill()
		<-s.ended
	}
	s.process = nil
}

// Run runs the server again, with the same configuration, port and store.
func (s *Server) Run() {
	s.t.Helper()
	if !s.run() {
		s.t.Fatal("nats-server does not answer")
	}
}

// Restart kills the server and runs it again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.Run()
}

// Reload makes the running server read another configuration, and returns when it has.
func (s *Server) Reload(text string) {
	s.t.Helper()
	const done, failed = "Reloaded server configuration", "Failed to reload"
	count := func() int { return strings.Count(s.Log(), done) + strings.Count(s.Log(), failed) }
	before, fails := count(), strings.Count(s.Log(), failed)
	s.write(text)
	if err := s.process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	if !testpoll.Until(limit, func() bool { return count() > before }) || strings.Count(s.Log(), failed) > fails {
		s.t.Fatal("nats-server has not read its configuration again")
	}
}

// SetConfig sets the configuration of the next run.
func (s *Server) SetConfig(text string) { s.t.Helper(); s.write(text) }

func (s *Server) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the server, and reports whether it answers.
func (s *Server) run() bool {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.command[0], append(s.command[1:len(s.command):len(s.command)], "-c", s.config)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal("start nats-server: ", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	s.process, s.ended = cmd.Process, ended
	answered := testpoll.Until(limit, func() bool {
		select {
		case <-ended:
			return true
		default:
			return s.answers()
		}
	})
	select {
	case <-ended:
		s.process = nil
		return false
	default:
		return answered
	}
}

// answers reports whether the server says the first line of its protocol.
func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", s.Address(), limit)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit)) // of a TCP connection: cannot fail
	line, err := bufio.NewReader(conn).ReadSlice(' ')
	return err == nil && bytes.Equal(line, []byte("INFO "))
}
