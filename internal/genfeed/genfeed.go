// Package genfeed makes blocklists that look like VoIPBL's raw list, so that tests and
// benchmarks have lists of any size without a real one. Only tests use it; it imports nothing
// of voipbl.
//
// A list is a few comment lines with "# TOTAL NETBLOCK: N", then N lines "a.b.c.d/n", each distinct,
// sorted by address. [Spec] chooses the size, the family, the share of bogons and, by [Kind], the
// dirt that real lists hold. Equal specs give equal bytes on every machine. [Truth] says what a
// correct reader must count in them, so that a test has something to compare with.
//
// The addresses cluster as real attackers do, so that aggregation has as much to merge as in
// a real list; model.go says how and holds the measured numbers. They are random all the
// same: they are not addresses of attackers, so never load such a list into a firewall that
// is in use.
//
// It is not a fuzzer: a line of a list is well-formed, or it is one of the named kinds of dirt.
package genfeed

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// MaxLines is the longest list that Write makes: a hundred times the live one.
const MaxLines = 10_000_000

// DefaultLines is the length of the live VoIPBL list, rounded.
const DefaultLines = 100_000

// DefaultBogons is the share of raw addresses in special-purpose space. The list of 2019-04-23 has
// 101 among 77,068 addresses (83 of its 71,642 merged lines); the one of 2016-06-13 has 3 of 17,025.
const DefaultBogons = 0.0013

// A Spec says what list to make. Start from [Default].
type Spec struct {
	// Lines is the number of lines that hold, or claim to hold, an entry: what an honest
	// header declares. Comments and blank lines are not counted.
	Lines int
	// Family is 4 or 6.
	Family int
	// Seed chooses one of many lists with the same properties.
	Seed uint64
	// Bogons is the share of lines in special-purpose space.
	Bogons float64
	// Lengths are the shares of prefixes shorter than a host address; what is left are host
	// addresses, /32 or /128. Nil means DefaultLengths(Family).
	Lengths []Length
	// Shuffle puts the lines in random order. Without it they are sorted by address, IPv4 first.
	Shuffle bool
	// Dirt is the share of Lines for each kind of dirt. A kind with any share above 0 shows up at
	// least once in a list that has lines. Nil makes a clean list.
	Dirt map[Kind]float64
	// NoHeader leaves the header out, and the declared total with it.
	NoHeader bool
	// Miscount is added to the total that the header declares; 0 is an honest header.
	Miscount int
}

// A Length is the share of prefixes of one length.
type Length struct {
	Bits  int
	Share float64
}

// Default is the spec of a clean IPv4 list like the live one.
func Default(lines int) Spec {
	return Spec{Lines: lines, Family: 4, Seed: 1, Bogons: DefaultBogons}
}

// DefaultLengths returns the shares of prefix lengths shorter than a host address.
//
// IPv4: the published copies of VoIPBL were merged by their publisher, so their lengths (2019: 67,750
// /32, 3,491 /31, 334 /30, 53 /29, 8 /28, 4 /27, one /26, one /24: eight lengths; 2016: 15,443 /32,
// 755 /31, 3 /29, one /28, one /27) are those of runs of adjacent host addresses. Nothing in either
// is wider than a /24, there is one /24, and no /25, which lines of that length would have left
// behind. So the raw list is host addresses, with at most one /24 in 77,068: that is the default,
// and the clusters of model.go give the other lengths back when the list is aggregated.
//
// IPv6: VoIPBL has none to measure. An attacker holds a /64 at least, so beside single hosts the mix
// has the lengths that providers hand out: /64 to a host, /48 to a site, /32 to a provider.
func DefaultLengths(family int) []Length {
	if family == 6 {
		return []Length{{64, 0.25}, {48, 0.04}, {32, 0.01}}
	}
	return []Length{{24, 1.0 / 77_068}}
}

// Truth is what a correct reader counts in a list. All counts are of lines.
type Truth struct {
	// Physical is every line of the file: header, entries, rejects, comments and blanks.
	Physical int
	// Lines is Entries + Rejects; an honest header declares it.
	Lines int
	// Entries are the lines with a well-formed entry, before any screening; an a-b range is one.
	Entries int
	// Rejects are the lines that are no entry at all.
	Rejects int
	// Duplicates are the entries that repeat the prefix of another line; all others are distinct.
	Duplicates int
	// Wide are the entries wider than /8 (IPv6: /19).
	Wide int
	// Bogons are the entries, other than the wide ones, that overlap special-purpose space.
	Bogons int
	// IPv4 and IPv6 add up to Entries. An IPv4-mapped address is IPv4.
	IPv4, IPv6 int
	// Comments and Blanks are lines of their own; Comments has the header's.
	Comments, Blanks int
	// Dirty is the number of lines of each kind of dirt, as in Dirty[genfeed.CSV].
	Dirty Counts
}

// Write writes the list that s describes. After an error of w the list is cut short.
func Write(w io.Writer, s Spec) (Truth, error) {
	if s.Lengths == nil {
		s.Lengths = DefaultLengths(s.Family)
	}
	if err := s.check(); err != nil {
		return Truth{}, fmt.Errorf("genfeed: %w", err)
	}
	b := newBuilder(s)
	if err := b.build(); err != nil {
		return Truth{}, fmt.Errorf("genfeed: %w", err)
	}
	b.order()
	r := renderer{spec: s, rng: b.rng}
	if err := r.render(w, b.entries); err != nil {
		return Truth{}, fmt.Errorf("genfeed: writing the list: %w", err)
	}
	return r.truth, nil
}

// check compares shares in a way that also refuses NaN.
func (s Spec) check() error {
	if s.Lines < 0 || s.Lines > MaxLines {
		return fmt.Errorf("%d lines: want 0 to %d", s.Lines, MaxLines)
	}
	if s.Family != 4 && s.Family != 6 {
		return fmt.Errorf("family %d: want 4 or 6", s.Family)
	}
	if !(s.Bogons >= 0 && s.Bogons <= 1) {
		return fmt.Errorf("share of bogons is %v: want 0 to 1", s.Bogons)
	}
	used := s.count(s.Bogons)
	for k, share := range s.Dirt {
		if k <= plain || k >= kinds {
			return fmt.Errorf("no kind of dirt has the number %d", int(k))
		}
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("share of %v is %v: want 0 to 1", k, share)
		}
		if k.takesLine() {
			used += s.dirty(k)
		}
	}
	if used > s.Lines {
		return fmt.Errorf("bogons and dirt need %d lines, the list has %d", used, s.Lines)
	}
	sum := 0
	for _, l := range s.Lengths {
		if l.Bits < 1 || l.Bits >= hostBits(s.Family) || !(l.Share >= 0 && l.Share <= 1) {
			return fmt.Errorf("share %v of /%d in family %d", l.Share, l.Bits, s.Family)
		}
		sum += s.count(l.Share)
	}
	if sum > s.Lines {
		return errors.New("the shares of the prefix lengths are more than the list")
	}
	return nil
}

// count returns how many lines a share is.
func (s Spec) count(share float64) int {
	return int(math.Round(share * float64(s.Lines)))
}

// dirty returns the number of lines of one kind of dirt.
func (s Spec) dirty(k Kind) int {
	if s.Dirt[k] > 0 && s.Lines > 0 {
		return max(1, s.count(s.Dirt[k]))
	}
	return 0
}

func hostBits(family int) int {
	if family == 6 {
		return 128
	}
	return 32
}
