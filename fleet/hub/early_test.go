package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testnats"
)

// TestSlowLogin: a server that has too much to do to admit a host asks meanwhile whether it is alive. The host
// answers, and waits on.
func TestSlowLogin(t *testing.T) {
	t.Parallel()
	server := testnats.Start(t, testnats.Plain)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // has the server wait behind the first line of a login until it has asked
		host, err := l.Accept()
		if err != nil {
			return
		}
		defer host.Close()
		hub, err := net.Dial("tcp", server.Address())
		if err != nil {
			return
		}
		defer hub.Close()
		asked := make(chan struct{})
		go func() {
			lines := bufio.NewReader(host)
			login, _ := lines.ReadBytes('\n')
			hub.Write(login)
			<-asked
			io.Copy(hub, lines)
		}()
		lines := bufio.NewReader(hub)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			host.Write(line)
			if bytes.Equal(line, ping) {
				close(asked)
				io.Copy(host, lines)
				return
			}
		}
	}()
	nc, err := connect(t.Context(), "nats://"+l.Addr().String(), member{name: "acme_pbx1", most: mostToHost}, func(error) {}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// TestEarlyPing: only what the hub asks before it has admitted the host is kept from the library.
func TestEarlyPing(t *testing.T) {
	host, hub := net.Pipe()
	g := &guard{Conn: host, most: mostToHost}
	go func() {
		answer := make([]byte, len(pong))
		for _, words := range []string{"PING\r\n", "PING\r\nPONG\r\n"} {
			fmt.Fprint(hub, words)
			io.ReadFull(hub, answer)
		}
		fmt.Fprint(hub, "PING\r\n")
		hub.Close()
	}()
	if got, err := io.ReadAll(g); string(got) != "PONG\r\nPING\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAway: whether anybody has had work with an attempt to connect.
func TestAway(t *testing.T) {
	t.Parallel()
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangsUp.Close() })
	go func() {
		for {
			conn, err := hangsUp.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	silent := deaf(t)
	there, nobody := "nats://"+hangsUp.Addr().String(), "nats://"+gone.Addr().String()
	for hubs, want := range map[string]bool{
		nobody: true, silent: true, nobody + " " + silent: true, "nats://no.such.name.invalid:1": true,
		there: false, there + " " + nobody: false, nobody + " " + there: false,
	} {
		_, _, err := dial(t.Context(), strings.Fields(hubs), member{name: "acme_pbx1"}, func(error) {}, func(error) {})
		if got := errors.As(err, new(awayError)); err == nil || got != want {
			t.Errorf("%s: %t: %v", hubs, got, err)
		}
		if hubs == nobody && !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("it says nothing of why: %v", err)
		}
		if hubs == silent && (!errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("the kernel tries on to reach a hub that does not answer: %v", err)
		}
	}
}

// deaf is where nobody answers: the kernel takes no more connections there, and says nothing.
func deaf(t *testing.T) (hub string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { unix.Close(fd) })
		err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	is, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", is.(*unix.SockaddrInet4).Port)
	conn, err := net.Dial("tcp", address) // which fills the queue
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return "nats://" + address
}
