// Package netdump repeats a netlink listing of the kernel that changes while it is
// read. host and logins use it; it imports nothing of voipbl.
package netdump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// tries is how often a list that changes is read.
const tries = 10

// Steady calls list until nothing changes meanwhile. If something always does, it
// returns the last result.
func Steady[T any](list func() ([]T, error)) (all []T, err error) {
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}
