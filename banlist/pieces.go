package banlist

import (
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Forever is the time of what is blocked without an end.
const Forever time.Duration = 0

// Pieces are what of a prefix is blocked: all but what is exempt.
func Pieces(p cidr.Prefix, exempt cidr.Sets) []cidr.Prefix {
	if !exempt.Overlaps(p) {
		return []cidr.Prefix{p}
	}
	return slices.Collect(cidr.SetOf(p)[p.Family()].Subtract(exempt[p.Family()]).All())
}

// Blocked is all that the bans block at now, by family, each with how long: the time of
// the last of the bans that block it.
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

// BlockedPiece is how long the bans block a piece of a prefix at now; any is false if
// none does.
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

// BlockedFor is how long bans of a prefix and of wider ones block it, if nothing of it is
// exempt; any is false if none does.
func (t *Table) BlockedFor(p cidr.Prefix, now Clock) (left time.Duration, any bool) {
	for bits := p.Bits(); bits > 0; bits-- {
		wider, _ := p.Netip().Addr().Prefix(int(bits))
		if last, found := longest(t.byPrefix[cidr.FromNetip(wider)], now); found {
			left, any = later(left, any, last), true
		}
	}
	return left, any
}

// longest is how long the last of some bans lasts.
func longest(list []*entry, now Clock) (left time.Duration, any bool) {
	for _, e := range list {
		if e.over(now) {
			continue
		}
		last, forever := e.Left(now)
		if forever {
			last = Forever
		}
		left, any = later(left, any, last), true
	}
	return left, any
}

// later is the longer of two times, of which the first may not be there.
func later(have time.Duration, found bool, more time.Duration) time.Duration {
	if !found || have != Forever && (more == Forever || more > have) {
		return more
	}
	return have
}
