package testns

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Pending is what a socket has now: a packet, or an error such as that of a refusal, which
// it takes. It does not wait: EAGAIN is that there is nothing.
func Pending(c syscall.Conn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	buf := make([]byte, 2048)
	var n int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		n, _, got = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return true
	})
	if got == nil {
		got = err
	}
	return string(buf[:max(0, n)]), got
}
