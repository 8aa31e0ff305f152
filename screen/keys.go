package screen

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Keys reads single keys from a terminal, without an Enter behind them. Signals of the
// terminal, such as that of Ctrl-C, stay.
type Keys struct {
	fd     int
	before *unix.Termios
}

// NewKeys is for standard input, or nil if that is no terminal.
func NewKeys() *Keys {
	fd := int(os.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil
	}
	return &Keys{fd, before}
}

// foreground reports whether the terminal is ours just now: to change or to read it from
// the background would stop this process.
func (k *Keys) foreground() bool {
	group, err := unix.IoctlGetInt(k.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// Take has the terminal give single keys and show none. After a Ctrl-Z and fg the shell has
// changed that back, so it is done again and again.
func (k *Keys) Take() {
	if k == nil || !k.foreground() {
		return
	}
	mode := *k.before
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(k.fd, unix.TCSETS, &mode)
}

// GiveBack makes the terminal as it was.
func (k *Keys) GiveBack() {
	if k != nil && k.foreground() {
		unix.IoctlSetTermios(k.fd, unix.TCSETS, k.before)
	}
}

// keyPoll is how long, in milliseconds, to wait for a key before looking whether that is
// still wanted.
const keyPoll = 200

// Pressed closes the channel when one of some keys was pressed.
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
			if !k.foreground() { // what was typed is for another program
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
