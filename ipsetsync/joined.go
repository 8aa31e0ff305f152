package ipsetsync

import (
	"maps"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// A set of the lists may hold their entries in pieces, all of a few prefix lengths, because
// the kernel probes each length once for every packet. People know only the lists' own
// entries. These are the fewest prefixes that cover what is blocked, so they can be got
// back from any pieces: by joining them.

// Join joins the pieces that the kernel holds to the lists' own entries. The counts of
// pieces add up. It works in place; the Header stays as the kernel's, with the number of
// pieces. A set of another type, or with exceptions, is not voipbl's work: it stays as it
// is, and Join returns false.
func (l *Live) Join() bool {
	if !joinable(l.Header) || l.NoMatch > 0 {
		return false
	}
	l.Prefixes = cidr.Aggregate(l.Prefixes)
	l.Counts = joinCounts(l.Prefixes, l.Counts)
	return true
}

// Join is [Live.Join] for members.
func (m *Members) Join() {
	if !joinable(m.Header) || len(m.except) > 0 {
		return
	}
	own := cidr.Aggregate(slices.Clone(m.prefixes))
	if len(own) == len(m.prefixes) {
		return // nothing was in pieces
	}
	m.prefixes, m.pieces = own, m.prefixes
	counts := slices.SortedFunc(maps.Values(m.counts), compareCounts)
	clear(m.counts)
	for _, c := range joinCounts(own, counts) {
		m.counts[c.Prefix] = c
	}
	m.noteLengths()
}

// Piece returns the entry that contains all of p as the kernel has it, which can be
// deleted. It returns false if no single one does.
func (m *Members) Piece(p cidr.Prefix) (piece cidr.Prefix, ok bool) {
	of := m.pieces
	if of == nil {
		of = m.prefixes
	}
	for bits := int(p.Bits()); bits >= 0; bits-- {
		piece := p.Widen(uint8(bits))
		if _, found := slices.BinarySearchFunc(of, piece, cidr.Prefix.Compare); found {
			return piece, true
		}
	}
	return cidr.Prefix{}, false
}

// joinable reports whether all that matters of an entry is what it covers.
func joinable(h Header) bool { return h.Type == TypeHashNet }

func compareCounts(a, b Count) int { return a.Prefix.Compare(b.Prefix) }

// joinCounts adds up the counts of all entries inside each of ps, in place. Both are sorted,
// ps is disjoint, and each entry with a count is inside one of ps. The kernel lists an entry
// again that it moves meanwhile: that counts once.
func joinCounts(ps []cidr.Prefix, counts []Count) []Count {
	n := 0
	var last cidr.Prefix
	for i, c := range counts {
		if i > 0 && c.Prefix == last {
			continue
		}
		last = c.Prefix
		for !ps[0].Contains(c.Prefix) {
			ps = ps[1:]
		}
		if n > 0 && counts[n-1].Prefix == ps[0] {
			counts[n-1].Packets += c.Packets
			counts[n-1].Bytes += c.Bytes
			continue
		}
		counts[n] = Count{ps[0], c.Packets, c.Bytes}
		n++
	}
	return counts[:n]
}
