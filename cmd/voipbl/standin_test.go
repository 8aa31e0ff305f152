package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// standIn is another program of a script: it has its name, listens where that does, and
// answers each UDP packet with the same:
//
//	stand-in [in-container] NAME PROTO/ADDR:PORT ... tun/DEVICE ...
//
// In a container it has a PID namespace of its own, and the network of the host.
func standIn() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt)
	var err error
	if os.Args[1] == "in-container" {
		child := exec.Command("/proc/self/exe", os.Args[2:]...)
		child.Args[0] = os.Args[0] // by which the test program knows its role
		child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
		runtime.LockOSThread() // the signal comes when the thread ends
		err = child.Start()
	} else {
		err = playRole(os.Args[1], os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stand-in:", err)
		os.Exit(1)
	}
	<-ended
}

func playRole(name string, parts []string) error {
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return err
	}
	for _, p := range parts {
		proto, where, _ := strings.Cut(p, "/")
		var err error
		switch proto {
		case "tcp", "tcp4", "tcp6":
			_, err = net.Listen(proto, where)
		case "tun":
			err = holdTun(where)
		default:
			var conn net.PacketConn
			if conn, err = net.ListenPacket(proto, where); err == nil {
				go echo(conn)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func echo(conn net.PacketConn) {
	packet := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return
		}
		conn.WriteTo(packet[:n], from)
	}
}

// holdTun makes a tun device that is there for as long as this process.
func holdTun(device string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fmt.Errorf("make %s: %w", device, err)
	}
	go io.Copy(io.Discard, os.NewFile(uintptr(fd), device))
	return nil
}
