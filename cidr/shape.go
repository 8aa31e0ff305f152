package cidr

import (
	"iter"
	"math"
)

// Shape is a Set and the prefix lengths by which it is written to the kernel. For each length
// that occurs in a set the kernel needs one more probe per packet, so an entry may be written
// as several pieces of a longer length that occurs anyway. What is covered stays the same.
//
// The pieces are made when they are asked for: a Shape takes no memory besides its Set.
type Shape struct {
	set     Set
	own     [129]int   // how many entries have each length
	to      [129]uint8 // by length: that of the pieces of an entry
	lengths [129]int   // how many pieces have each length
	pieces  int
}

// ShapeOf chooses the fewest lengths by which a set can be written with at most extra pieces
// more than it has entries, and of these choices the one with the fewest pieces. With extra
// 0 the pieces are the set's entries.
func ShapeOf(set Set, extra int) Shape {
	s := Shape{set: set, own: set.Lengths()}
	s.to = chooseLengths(s.own, set.Len()+max(0, extra))
	for bits, n := range s.own {
		if n > 0 {
			n <<= s.to[bits] - uint8(bits)
			s.lengths[s.to[bits]] += n
			s.pieces += n
		}
	}
	return s
}

// chooseLengths returns, for each length that is counted, the length of the pieces in which
// its entries are written, so that the pieces are at most most, their lengths the fewest
// and then the pieces the fewest.
//
// Only lengths that occur come into question: any other can be replaced by the next shorter
// one that occurs, which makes fewer pieces. The longest one stays. So the choice is a path
// through the lengths in order, and the cheapest path with m steps to a length is that with
// m-1 steps to a shorter one, and a last step in which all lengths between the two are
// written by the longer one.
func chooseLengths(count [129]int, most int) (to [129]uint8) {
	lengths := WhichLengths(count)
	const none = math.MaxInt
	// pieces[j] is the fewest pieces of the first j lengths, if they are written by as many
	// lengths as there were rounds, the last of which is lengths[j-1].
	pieces := make([]int, len(lengths)+1)
	for j := range pieces {
		pieces[j] = none
	}
	pieces[0] = 0
	var from [][]int // by round and j: how many lengths the last step left to those before it
	for pieces[len(lengths)] == none {
		next, last := make([]int, len(pieces)), make([]int, len(pieces))
		next[0] = none
		for j := 1; j < len(pieces); j++ {
			next[j] = none
			step := 0
			for i := j - 1; i >= 0; i-- {
				n, shift := count[lengths[i]], lengths[j-1]-lengths[i]
				if n > (most-step)>>shift {
					break // too many; a shift that is too far gives 0
				}
				step += n << shift
				if pieces[i] <= most-step && pieces[i]+step < next[j] {
					next[j], last[j] = pieces[i]+step, i
				}
			}
		}
		pieces, from = next, append(from, last)
	}
	for j := len(lengths); j > 0; {
		i := from[len(from)-1][j]
		for _, bits := range lengths[i:j] {
			to[bits] = uint8(lengths[j-1])
		}
		j, from = i, from[:len(from)-1]
	}
	return to
}

// Set returns the set that is written.
func (s Shape) Set() Set { return s.set }

// Len returns the number of pieces: the entries in the kernel.
func (s Shape) Len() int { return s.pieces }

// Own counts the entries of each length.
func (s Shape) Own() [129]int { return s.own }

// Lengths counts the pieces of each length.
func (s Shape) Lengths() [129]int { return s.lengths }

// All yields the pieces in order.
func (s Shape) All() iter.Seq[Prefix] {
	return func(yield func(Prefix) bool) {
		for _, p := range s.set.ps {
			n := 1 << (s.to[p.bits] - p.bits)
			for p.bits = s.to[p.bits]; n > 0; n-- {
				if !yield(p) {
					return
				}
				p.addr, _ = p.addr.plus(bit(p.bits))
			}
		}
	}
}

// Piece returns the piece that contains all of p. If p is wider than the pieces, it returns
// the first of those inside p. It returns false if the set does not cover all of p.
func (s Shape) Piece(p Prefix) (Prefix, bool) {
	i, ok := s.set.Index(p)
	if !ok {
		return Prefix{}, false
	}
	return newPrefix(p.fam, p.addr, s.to[s.set.ps[i].bits]), true
}
