package ipsetsync

import (
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

// receive reads one datagram from the kernel into buf and splits it. The messages are
// valid until buf is used again. It replaces [nl.NetlinkSocket.Receive], which
// allocates and copies 128 KiB for each of the hundred datagrams of a dump: a quarter
// of the time of a whole sync.
func receive(sock *nl.NetlinkSocket, buf []byte) ([]syscall.NetlinkMessage, error) {
	for {
		n, from, err := unix.Recvfrom(sock.GetFd(), buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if err := wait(sock.GetFd()); err != nil {
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
		return syscall.ParseNetlinkMessage(buf[:n])
	}
}

// wait blocks until there is something to read.
func wait(fd int) error {
	deadline := time.Now().Add(answerTimeout)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			return nil
		}
	}
}
