package banlist

import (
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Forever is the time of a block without an end.
const Forever time.Duration = 0

// Pieces returns the parts of a prefix that are blocked, without exempt addresses.
func Pieces(p cidr.Prefix, exempt cidr.Sets) []cidr.Prefix {
	if !exempt.Overlaps(p) {
		return []cidr.Prefix{p}
	}
	return slices.Collect(cidr.SetOf(p)[p.Family()].Subtract(exempt[p.Family()]).All())
}

// Blocked returns everything that the bans block at now, by family, each with its
// remaining time: that of the ban that ends last.
func (t *Table) Blocked(now Clock, exempt cidr.Sets) [2]map[cidr.Prefix]time.Duration {
	var n [2]int
	for p := range t.byPrefix {
		n[p.Family()]++
	}
	blocked := [2]map[cidr.Prefix]time.Duration{}
	for f := range blocked {
		blocked[f] = make(map[cidr.Prefix]time.Duration, n[f])
	}
	for p, list := range t.byPrefix {
		last, any := longest(list, now)
		if !any {
			continue
		}
		for _, piece := range Pieces(p, exempt) {
			all := blocked[p.Family()]
			have, found := all[piece]
			all[piece] = later(have, found, last)
		}
	}
	return blocked
}

// BlockedPiece returns how long the bans block one of the pieces of a prefix; any is
// false if no ban does.
func (t *Table) BlockedPiece(piece cidr.Prefix, now Clock, exempt cidr.Sets) (left time.Duration, any bool) {
	for bits := piece.Bits(); bits > 0; bits-- {
		wider, _ := piece.Netip().Addr().Prefix(int(bits))
		p := cidr.FromNetip(wider)
		last, found := longest(t.byPrefix[p], now)
		if found && slices.Contains(Pieces(p, exempt), piece) {
			left, any = later(left, any, last), true
		}
	}
	return left, any
}

// BlockedFor returns how long the bans of a prefix and of wider ones block it, without
// regard to exempt addresses; any is false if no ban does.
func (t *Table) BlockedFor(p cidr.Prefix, now Clock) (left time.Duration, any bool) {
	for bits := p.Bits(); bits > 0; bits-- {
		wider, _ := p.Netip().Addr().Prefix(int(bits))
		if last, found := longest(t.byPrefix[cidr.FromNetip(wider)], now); found {
			left, any = later(left, any, last), true
		}
	}
	return left, any
}

// longest returns the remaining time of the ban that ends last, of e and those after it.
func longest(e *entry, now Clock) (left time.Duration, any bool) {
	for ; e != nil; e = e.next {
		if e.over(now) {
			continue
		}
		last, forever := e.left(now)
		if forever {
			last = Forever
		}
		left, any = later(left, any, last), true
	}
	return left, any
}

// later returns the longer of two times; have only counts if found is true.
func later(have time.Duration, found bool, more time.Duration) time.Duration {
	if !found || have != Forever && (more == Forever || more > have) {
		return more
	}
	return have
}
