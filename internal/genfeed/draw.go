package genfeed

import "math/rand/v2"

// A quota deals out a fixed number of each of several choices in random order, so that a share is
// exact and not only likely.
type quota struct {
	left  []int
	total int
}

func newQuota(choices int) *quota { return &quota{left: make([]int, choices)} }

func (q *quota) add(choice, n int) {
	q.left[choice] += n
	q.total += n
}

// draw takes one of the remaining choices.
func (q *quota) draw(rng *rand.Rand) int {
	if q.left[0] == q.total { // the common case: only the first choice is left
		q.left[0]--
		q.total--
		return 0
	}
	x := rng.IntN(q.total)
	for i, n := range q.left {
		if x < n {
			q.left[i]--
			q.total--
			return i
		}
		x -= n
	}
	panic("quota: total is not the sum of what is left")
}

// distinct finds prefixes in a slice of entries: a hash table with linear probing. A slot is 0 or an
// index+1, which MaxLines keeps below 24 bits, under 8 bits of the hash that save most looks at the
// entries. A map of 10 M entries would take several times the memory.
type distinct struct {
	slots []uint32
}

const (
	indexBits = 24
	indexMask = 1<<indexBits - 1
)

// newDistinct makes a table for n entries, at most two thirds full.
func newDistinct(n int) distinct {
	size := 16
	for size*2 < n*3 {
		size *= 2
	}
	return distinct{slots: make([]uint32, size)}
}

// add reserves e's prefix for the entry that will be appended next; false if there is one already.
func (d distinct) add(entries []entry, e entry) bool {
	slot, tag, found := d.find(entries, e)
	if !found {
		d.slots[slot] = tag | uint32(len(entries)+1)
	}
	return !found
}

func (d distinct) has(entries []entry, e entry) bool {
	_, _, found := d.find(entries, e)
	return found
}

func (d distinct) find(entries []entry, e entry) (slot uint64, tag uint32, found bool) {
	h := (e.hi ^ e.lo<<8 ^ uint64(e.bits)) * 0x9e37_79b9_7f4a_7c15
	h = (h ^ h>>32) * 0xd6e8_feb8_6659_fd93
	tag = uint32(h>>56) << indexBits
	mask := uint64(len(d.slots) - 1)
	for slot = (h ^ h>>32) & mask; ; slot = (slot + 1) & mask {
		s := d.slots[slot]
		if s == 0 {
			return slot, tag, false
		}
		if s&^indexMask != tag {
			continue
		}
		if o := entries[s&indexMask-1]; o.hi == e.hi && o.lo == e.lo && o.bits == e.bits {
			return slot, tag, true
		}
	}
}
