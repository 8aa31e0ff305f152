// Package netdump reads lists of the kernel's by netlink, which may change while they
// are read.
package netdump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// tries is how often a list is begun again that has changed meanwhile.
const tries = 10

// Steady lists until nothing changes meanwhile; on a host where something always does,
// what was seen last is taken.
func Steady[T any](list func() ([]T, error)) (all []T, err error) {
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}
