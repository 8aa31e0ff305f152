package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nfnlgrpNFTables is the kernel's multicast group for changes of nf_tables
// (linux/netfilter/nfnetlink.h: NFNLGRP_NFTABLES).
const nfnlgrpNFTables = 7

// Watch sends on the channel when any rule of nf_tables has changed in this network namespace.
// Several changes may give one message. The channel is closed when ctx ends. There are no
// messages for the legacy backend, for which the kernel has none.
func Watch(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("listen to nf_tables: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (nfnlgrpNFTables - 1)}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to nf_tables: %w", err)
	}
	sock := os.NewFile(uintptr(fd), "nf_tables") // Go's poller waits for it
	news := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	go func() {
		defer close(news)
		defer sock.Close()
		defer stop()
		buf := make([]byte, os.Getpagesize()) // the rest of a longer message is not needed
		for {
			// ENOBUFS means more changes than the kernel could queue.
			if _, err := sock.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	return news, nil
}
