package ipsetsync

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// receiveBuffer is the size of the longest answer: the refusal of a batch, which
// returns the whole batch (struct nlmsgerr of linux/netlink.h). The kernel sends a dump
// in pieces of 32 KiB (net/netlink/af_netlink.c: netlink_recvmsg).
const receiveBuffer = 2 * nl.RECEIVE_BUFFER_SIZE

// send gives a message to the kernel, which has carried it out when send returns.
// [nl.NetlinkSocket.Send] would copy each message twice.
func send(fd int, msg []byte) error {
	for {
		err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		switch {
		case errors.Is(err, unix.EAGAIN):
			if err := wait(fd, unix.POLLOUT); err != nil {
				return err
			}
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// receive reads one datagram from the kernel into buf. It replaces
// [nl.NetlinkSocket.Receive], which allocates and copies 128 KiB for each of the hundred
// datagrams of a dump: a quarter of the time of a whole sync.
func receive(fd int, buf []byte) ([]byte, error) {
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if err := wait(fd, unix.POLLIN); err != nil {
				return nil, err
			}
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
			continue // ignore messages from other processes
		}
		return buf[:n], nil
	}
}

// cutMessage splits a datagram after its first message, which shares its memory.
func cutMessage(b []byte) (m syscall.NetlinkMessage, rest []byte, err error) {
	if len(b) < nlmsgHeaderLength {
		return m, nil, errMalformed
	}
	n := int(binary.NativeEndian.Uint32(b))
	if n < nlmsgHeaderLength || n > len(b) {
		return m, nil, errMalformed
	}
	m.Header = syscall.NlMsghdr{
		Len: uint32(n), Type: binary.NativeEndian.Uint16(b[4:]), Flags: binary.NativeEndian.Uint16(b[6:]),
		Seq: binary.NativeEndian.Uint32(b[8:]),
	}
	m.Data = b[nlmsgHeaderLength:n]
	return m, b[min((n+nlaAlign-1)&^(nlaAlign-1), len(b)):], nil
}

// wait blocks until a socket is ready.
func wait(fd int, events int16) error {
	deadline := time.Now().Add(answerTimeout)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			return nil
		}
	}
}
