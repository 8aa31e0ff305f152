package ipsetsync

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// Free removes addresses from the live set of the lists, in case a new set cannot be made.
// If a wider entry covers them, the rest of it is added first, so that it stays blocked all
// the time. A set that voipbl has not made is left alone.
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
