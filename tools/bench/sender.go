package main

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sender sends frames on one network card, one after the other, as fast as the kernel takes them.
type sender struct{ socket int }

// newSender opens a socket on a network card, in the namespace of this thread.
func newSender(card int) (sender, error) {
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sender{}, fmt.Errorf("cannot open a packet socket: %w", err)
	}
	// Without the queue of the card: the packet is received before the call goes on.
	if err := unix.SetsockoptInt(s, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return sender{}, err
	}
	return sender{s}, unix.Bind(s, &unix.SockaddrLinklayer{Ifindex: card})
}

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	sent   uint32
	_      [4]byte
}

// newVolley returns frames that are ready to be sent.
func newVolley(frames [][]byte) []message {
	messages, vectors := make([]message, len(frames)), make([]unix.Iovec, len(frames))
	for i, f := range frames {
		vectors[i].Base = &f[0]
		vectors[i].SetLen(len(f))
		messages[i].header.Iov = &vectors[i]
		messages[i].header.SetIovlen(1)
	}
	return messages
}

// send sends messages, and returns how long it took.
func (s sender) send(messages []message) (time.Duration, error) {
	start := time.Now()
	for len(messages) > 0 {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.socket), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
		if errno != 0 {
			return 0, fmt.Errorf("cannot send: %w", errno)
		}
		messages = messages[n:]
	}
	return time.Since(start), nil
}

// pin keeps this goroutine on the last core of the machine.
func pin() error {
	runtime.LockOSThread()
	var cores unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cores); err != nil {
		return err
	}
	last := -1
	for i := range len(cores) * 64 {
		if cores.IsSet(i) {
			last = i
		}
	}
	cores.Zero()
	cores.Set(last)
	return unix.SchedSetaffinity(0, &cores)
}
