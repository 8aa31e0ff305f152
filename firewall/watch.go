package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nfnlgrpNFTables is the kernel's group for news of nf_tables (linux/netfilter/
// nfnetlink.h: NFNLGRP_NFTABLES).
const nfnlgrpNFTables = 7

// Watch tells on the channel that some rule of nf_tables has changed in this
// network namespace, whoever's it is; several changes may be told at once. The
// channel is closed when ctx ends. It tells nothing of the legacy backend, for
// which the kernel has no news.
func Watch(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("listen to nf_tables: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (nfnlgrpNFTables - 1)}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to nf_tables: %w", err)
	}
	sock := os.NewFile(uintptr(fd), "nf_tables") // which Go's poller waits for
	news := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	go func() {
		defer close(news)
		defer sock.Close()
		defer stop()
		buf := make([]byte, os.Getpagesize()) // the rest of a message is cut off, and not needed
		for {
			// ENOBUFS is more news than the kernel could keep.
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
