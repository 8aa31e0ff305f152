// Package testsshd runs a real OpenSSH server for tests, and logs in to it. Both run in
// the network namespace of the calling thread.
package testsshd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// sshd is its path on Debian. It starts itself again for each connection, so it must be
// started by its full path.
const sshd = "/usr/sbin/sshd"

// Server is an SSH server on which root can log in with the test's key.
type Server struct {
	Addr netip.AddrPort
	dir  string
	cmd  *exec.Cmd
}

// Start starts a server at an address and waits until it listens. wrap, if not empty, is a
// program with arguments that starts the server, for example in its own namespaces.
func Start(dir string, addr netip.AddrPort, wrap ...string) (*Server, error) {
	s := &Server{Addr: addr, dir: dir}
	for _, key := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // its chroot
		return nil, err
	}
	config := fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\n", addr, filepath.Join(dir, "host"), filepath.Join(dir, "client.pub")) +
		"PidFile none\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\nLoginGraceTime 120\n" +
		"SetEnv SHLVL=2\n" + // so bash leaves root's .bashrc alone, which may do much
		"ClientAliveInterval 5\nClientAliveCountMax 2\n" // a session that the test's rules have cut off ends by itself
	file := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	args := append(wrap, sshd, "-D", "-e", "-f", file)
	s.cmd = exec.Command(args[0], args[1:]...)
	log, err := os.Create(filepath.Join(dir, "sshd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("openssh-server is needed: %w", err)
	}
	if err := s.await(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// await waits until the server sends its greeting.
func (s *Server) await() error {
	var err error
	if !testpoll.Until(30*time.Second, func() bool {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", s.Addr.String(), time.Second); err == nil {
			conn.Close()
		}
		return err == nil
	}) {
		return fmt.Errorf("sshd does not listen: %w: %s", err, s.Log())
	}
	return nil
}

// Log returns the server's log.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "sshd.log"))
	return string(text)
}

// Close stops the server. Sessions continue.
func (s *Server) Close() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// Session is a login session.
type Session struct {
	cmd *exec.Cmd
	in  io.Closer
}

// Login logs in from an address of the caller and waits until that is done.
func (s *Server) Login(from netip.Addr) (*Session, error) {
	cmd := exec.Command("ssh", "-F", "none", "-b", from.String(), "-i", filepath.Join(s.dir, "client"), "-p", fmt.Sprint(s.Addr.Port()),
		"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"root@"+s.Addr.Addr().String(), "echo logged in; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	session := &Session{cmd, in}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "logged in\n" {
		session.Close()
		return nil, fmt.Errorf("log in: %q, %v: %s\n%s", line, err, said.String(), s.Log())
	}
	return session, nil
}

// logoutTime is how long a session may take to end by itself. If the test's rules drop
// its packets, it does not.
const logoutTime = 5 * time.Second

// Close logs out, and waits until that is done.
func (s *Session) Close() {
	s.in.Close()
	kill := time.AfterFunc(logoutTime, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	s.cmd.Wait()
}
