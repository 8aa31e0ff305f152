package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is one of 24 lines with a program on it.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	text   bytes.Buffer  // all that the program has written
	ended  chan struct{} // nobody has the terminal open any more
}

// onScreen starts a program on a pseudo-terminal that is its controlling one, as a
// login does: a Ctrl-C typed there becomes SIGINT.
func onScreen(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal("unlock: ", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal("number: ", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal("size: ", err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	s := &terminal{master: master, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	go s.read()
	return s
}

// read ends with EIO, when the last one that had the terminal open is gone.
func (s *terminal) read() {
	defer close(s.ended)
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *terminal) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// frames are the screens that were drawn whole.
func (s *terminal) frames() []string {
	var frames []string
	for _, f := range strings.Split(s.written(), "\x1b[H")[1:] {
		if text, _, whole := strings.Cut(f, "\x1b[J"); whole {
			frames = append(frames, strings.NewReplacer("\x1b[K", "", "\r\n", "\n").Replace(text))
		}
	}
	return frames
}

// hit sends a packet with one byte from an address of this host, as knock does.
func (h *host) hit(from string) {
	h.t.Helper()
	source := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	conn, err := net.DialUDP("udp4", source, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060})
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		h.t.Fatal(err)
	}
}

// TestTopOnTerminal watches a source knock, and types Ctrl-C.
func TestTopOnTerminal(t *testing.T) {
	h := newHost(t, "nft")
	s := onScreen(t, "voipbl", "--config", h.drop, "top", "--interval", "500ms")
	seen := func(pattern string) func() bool {
		re := regexp.MustCompile(pattern)
		return func() bool {
			for _, f := range s.frames() {
				if re.MatchString(f) {
					return true
				}
			}
			return false
		}
	}
	h.eventually("a first screen, that has no rate", 10*time.Second, seen(`^....-..-.. ..:..:..  0 packets dropped, 0 B\nnothing that is blocked has knocked yet\nq or Ctrl-C ends\n$`))
	h.must("ip", "addr", "add", "5.5.5.5/32", "dev", "lo")
	h.hit("5.5.5.5")
	h.eventually("its first knock", 10*time.Second, seen(`\nprefix   packets +rate  feeds\n5\.5\.5\.5 +1 +\S+  mine\nq or Ctrl-C ends\n$`))
	h.eventually("no rate while it is quiet", 10*time.Second, seen(`  1 packet dropped, 29 B, 0\.00 per second\n\n.*\n5\.5\.5\.5        1  0\.00  mine\nq or Ctrl-C ends\n$`))
	for range 4 {
		h.hit("5.5.5.5")
	}
	h.eventually("all its knocks", 10*time.Second, seen(`  5 packets dropped, 145 B, .* per second\n\n.*\n5\.5\.5\.5 +5 +\S+  mine\nq or Ctrl-C ends\n$`))
	// How much depends on when it was read.
	if !seen(`B, (0\.0?)?[1-9].* per second\n\n.*\n5\.5\.5\.5 +[2-5] +(0\.0?)?[1-9]\S*  mine\nq or Ctrl-C ends\n$`)() {
		t.Errorf("the knocks have no rate: %q", s.frames())
	}
	if n := len(s.frames()); n < 4 {
		t.Errorf("only %d screens", n)
	}

	if _, err := s.master.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	<-s.ended
	all := strings.ReplaceAll(s.written(), "^C", "") // the terminal's, wherever it got between
	last := all[strings.LastIndex(all, "\x1b[H"):]
	if !strings.HasSuffix(last, "q or Ctrl-C ends\r\n\x1b[J\r\x1b[J") {
		t.Errorf("the last screen is not left as it was: %q", last)
	}
	// Nothing is switched that would have to be switched back.
	for _, escape := range regexp.MustCompile(`\x1b\[?[^A-Za-z]*[A-Za-z]?`).FindAllString(all, -1) {
		if escape != "\x1b[H" && escape != "\x1b[K" && escape != "\x1b[J" {
			t.Errorf("%q was sent to the terminal", escape)
		}
	}
}

// TestTopQuits: a q ends it, no other key does or is shown, and the terminal is as it was.
func TestTopQuits(t *testing.T) {
	h := newHost(t, "nft")
	s := onScreen(t, "voipbl", "--config", h.drop, "top", "--interval", "1h")
	mode := func() uint32 {
		is, err := unix.IoctlGetTermios(int(s.master.Fd()), unix.TCGETS) // the other end's
		if err != nil {
			t.Fatal(err)
		}
		return is.Lflag & (unix.ICANON | unix.ECHO | unix.ISIG)
	}
	h.eventually("a screen", time.Minute, func() bool { return len(s.frames()) > 0 })
	if mode() != unix.ISIG {
		t.Errorf("meanwhile the terminal is %#x", mode())
	}
	if _, err := s.master.Write([]byte("xq")); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if mode() != unix.ISIG|unix.ICANON|unix.ECHO {
		t.Errorf("afterwards the terminal is %#x", mode())
	}
	<-s.ended
	if text := s.written(); strings.Contains(text, "xq") || !strings.Contains(text, "q or Ctrl-C ends") {
		t.Errorf("%q", text)
	}
}

// TestTopOnceOnTerminal prints it below what is there.
func TestTopOnceOnTerminal(t *testing.T) {
	h := newHost(t, "nft")
	s := onScreen(t, "voipbl", "--config", h.drop, "top", "--once")
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	<-s.ended
	if text := s.written(); strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "nothing that is blocked has knocked yet\r\n") {
		t.Errorf("%q", text)
	}
}
