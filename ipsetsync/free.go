package ipsetsync

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// Free takes addresses out of the live set of the lists, for when a new set cannot be made.
// The rest of a wider entry goes in first, so that it is blocked all the time. A set that
// is not there, or that somebody else has made, is left alone.
func (k *Kernel) Free(name string, f cidr.Family, free cidr.Set) error {
	live, err := k.Dump(name)
	if errors.Is(err, ErrNotFound) || err == nil && !IsOurs(live.Header, f) {
		return nil
	}
	if err != nil {
		return err
	}
	var rest, out []cidr.Prefix
	for _, p := range live.Prefixes {
		if free.Overlaps(p) {
			out = append(out, p)
			rest = slices.AppendSeq(rest, cidr.SetOf(p)[f].Subtract(free).All())
		}
	}
	at := func(i int) cidr.Prefix { return rest[i] }
	if err := k.changeBans(cmdAdd, "add", name, len(rest), at, func(*encoder, int) {}); err != nil {
		return err
	}
	return k.Unban(name, out)
}
