package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// This file says who comes first where not all bans of a host have room. The newest do: they are of present
// attackers. But whoever has one network has thousands of addresses, and could be banned with each of them
// until all else that the host has banned is pushed out. So what exceeds its network's share comes last.

// levels are the networks that share: what a customer gets of a provider, and what a provider gets. Where
// there is room for all bans, they change nothing.
var levels = [...]struct {
	bits4, bits6 int
	share        int
}{
	{24, 48, 16},
	{16, 32, 64},
}

// network is one of a level: the key of its first address, and the level in the last bits, which are 0 there.
type network uint64

// network returns the network of a level that an address is in.
func (k key) network(level int) network {
	bits := levels[level].bits6 // of the 64 of the key
	if k>>61 != 1 {
		bits = 32 + levels[level].bits4
	}
	return network(k>>(64-bits)<<(64-bits)) + network(level)
}

// shares says which places are beyond their networks' shares.
type shares []share

// share is of a network that has more than that: the last of its places that is within. By network.
type share struct {
	network network
	last    place
}

// exceeds reports whether a place is beyond a share.
func (all shares) exceeds(p place) bool {
	for level := range levels {
		i, found := slices.BinarySearchFunc(all, p.key.network(level), func(s share, n network) int { return cmp.Compare(s.network, n) })
		if found && comparePlaces(p, all[i].last) > 0 {
			return true
		}
	}
	return false
}

// sharesOf returns which places, the newest first, are beyond their networks' shares.
func sharesOf(sorted []place) (all shares) {
	if len(sorted) <= levels[0].share {
		return nil
	}
	type count struct {
		n        int
		last     place
		exceeded bool
	}
	counts := make(map[network]*count)
	for _, p := range sorted {
		var in [len(levels)]*count
		within := true
		for level := range levels {
			n := p.key.network(level)
			c := counts[n]
			if c == nil {
				c = new(count)
				counts[n] = c
			}
			in[level] = c
			if c.n == levels[level].share {
				c.exceeded, within = true, false
				break
			}
		}
		if within {
			for _, c := range in {
				c.n, c.last = c.n+1, p
			}
		}
	}
	for n, c := range counts {
		if c.exceeded {
			all = append(all, share{n, c.last})
		}
	}
	slices.SortFunc(all, func(a, b share) int { return cmp.Compare(a.network, b.network) })
	return all
}

// Foremost returns the bans that come first of those of a host, in this order, at most so many, and from
// which age on others are missing; 0 if none is, or only such as exceed their network's share. It reorders
// the bans; of gives the address of one, which is canonical, and its age.
func Foremost[T any](all []T, of func(T) (netip.Addr, time.Duration), most int) (first []T, whole time.Duration) {
	all, within := foremost(all, of)
	first = all[:min(len(all), max(most, 0))]
	return first, wholeUntil(all[:within], of, len(first))
}

// wholeUntil returns from which age on bans are missing if only the first n of them are said: see Foremost.
func wholeUntil[T any](within []T, of func(T) (netip.Addr, time.Duration), n int) time.Duration {
	if n >= len(within) {
		return 0
	}
	_, age := of(within[n])
	return max(age, 1)
}

// foremost puts bans in order, and returns how many are within their networks' shares. It reorders all.
func foremost[T any](all []T, of func(T) (netip.Addr, time.Duration)) (ordered []T, within int) {
	type placed struct {
		place
		ban T
	}
	sorted := make([]placed, 0, len(all))
	for _, ban := range all {
		a, age := of(ban)
		k, _ := keyOf(a)
		sorted = append(sorted, placed{place{-age, k}, ban})
	}
	slices.SortStableFunc(sorted, func(a, b placed) int { return comparePlaces(a.place, b.place) })
	places := make([]place, 0, len(all))
	for _, p := range sorted {
		places = append(places, p.place)
	}
	shares := sharesOf(places)
	ordered = all[:0]
	for _, p := range sorted {
		if !shares.exceeds(p.place) {
			ordered = append(ordered, p.ban)
		}
	}
	within = len(ordered)
	for _, p := range sorted {
		if shares.exceeds(p.place) {
			ordered = append(ordered, p.ban)
		}
	}
	return ordered, within
}
