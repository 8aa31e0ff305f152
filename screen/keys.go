package screen

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Keys reads single keys from a terminal without waiting for Enter. Keys that send signals, such as
// Ctrl-C, still do.
type Keys struct {
	fd     int
	before *unix.Termios
}

// NewKeys reads from standard input. It returns nil if that is no terminal.
func NewKeys() *Keys {
	fd := int(os.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil
	}
	return &Keys{fd, before}
}

// foreground reports whether this process is in the terminal's foreground. Changing or reading the
// terminal from the background would stop the process.
func (k *Keys) foreground() bool {
	group, err := unix.IoctlGetInt(k.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// Take switches the terminal to single keys without echo. It is called again and again, because the
// shell resets the terminal after Ctrl-Z and fg.
func (k *Keys) Take() {
	if k == nil || !k.foreground() {
		return
	}
	mode := *k.before
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(k.fd, unix.TCSETS, &mode)
}

// GiveBack restores the terminal.
func (k *Keys) GiveBack() {
	if k != nil && k.foreground() {
		unix.IoctlSetTermios(k.fd, unix.TCSETS, k.before)
	}
}

// keyPoll is how long to wait for a key, in milliseconds, before checking whether to stop.
const keyPoll = 200

// Pressed returns a channel that is closed when one of the wanted keys is pressed.
func (k *Keys) Pressed(ctx context.Context, wanted string) <-chan struct{} {
	if k == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			ready := []unix.PollFd{{Fd: int32(k.fd), Events: unix.POLLIN}}
			n, err := unix.Poll(ready, keyPoll)
			if n <= 0 && (err == nil || err == unix.EINTR) {
				continue
			}
			if err != nil || ready[0].Revents&unix.POLLIN == 0 {
				return // the terminal is gone
			}
			var key [1]byte
			if !k.foreground() { // what is typed now is for another program
				select {
				case <-ctx.Done():
				case <-time.After(keyPoll * time.Millisecond):
				}
				continue
			}
			if n, err := unix.Read(k.fd, key[:]); n == 1 && strings.IndexByte(wanted, key[0]) >= 0 {
				close(done)
				return
			} else if err != nil && err != unix.EINTR || n == 0 && err == nil {
				return
			}
		}
	}()
	return done
}
