package cidr

import "math/bits"

// MostCompared is how many lists [Compare] takes.
const MostCompared = 256

// Comparison is what several lists have in common, as Compare finds it.
type Comparison struct {
	Own    []Own   // by list
	Shared [][]int // Shared[a][b] is how many prefixes of a are in b, whole or in part
}

// Own is what one list has and no other.
type Own struct {
	Prefixes  int    // of which at least one address is in no other list
	Addresses uint64 // of IPv4, that are in no other list
}

// Compare compares lists with each other, at most [MostCompared]. It goes through the prefixes
// of all lists once, in order, and needs no memory for each.
func Compare(lists []Sets) *Comparison {
	c := &comparing{Comparison: Comparison{Own: make([]Own, len(lists)), Shared: make([][]int, len(lists))}}
	c.runs = make([]run, len(lists))
	for i := range lists {
		c.Shared[i] = make([]int, len(lists))
	}
	for _, f := range Families {
		c.family(lists, f)
	}
	for i := range c.runs {
		c.endRun(i)
	}
	return &c.Comparison
}

// listMask has a bit for each list.
type listMask [MostCompared / 64]uint64

func (m *listMask) add(list int)      { m[list/64] |= 1 << (list % 64) }
func (m *listMask) addAll(o listMask) { *m = m.or(o) }
func (m listMask) empty() bool        { return m == listMask{} }
func (m listMask) or(o listMask) listMask {
	for i := range m {
		m[i] |= o[i]
	}
	return m
}

// comparing is a Comparison that is being made. Prefixes lie inside each other or apart, so those
// that contain the one at hand are a stack:
//
//	list a   |-----------------------|        open: a
//	list b        |-----------|               open: a, b
//	list c          |--|                      open: a, b, c
type comparing struct {
	Comparison
	open []opened
	runs []run // by list
}

// opened is a prefix, inside those below it on the stack.
type opened struct {
	prefix   Prefix
	list     int
	above    listMask // lists of the prefixes that contain it
	inside   listMask // lists of the prefixes inside it
	children int      // prefixes directly inside it
	covered  u128     // how much of it they cover, as a size
}

// run counts prefixes of one list, one after the other, that are in the same other lists.
type run struct {
	in listMask
	n  int
}

func (c *comparing) family(lists []Sets, f Family) {
	next := newMerge(lists, f)
	for {
		p, list, ok := next.pop()
		if !ok {
			break
		}
		for len(c.open) > 0 && !c.open[len(c.open)-1].prefix.Contains(p) {
			c.close()
		}
		o := opened{prefix: p, list: list}
		if n := len(c.open); n > 0 {
			parent := &c.open[n-1]
			parent.children++
			parent.covered, _ = parent.covered.plus(p.size())
			o.above = parent.above
			o.above.add(parent.list)
		}
		c.open = append(c.open, o)
	}
	for len(c.open) > 0 {
		c.close()
	}
}

// close takes the topmost prefix from the stack, and counts it.
func (c *comparing) close() {
	n := len(c.open) - 1
	o := c.open[n]
	c.open = c.open[:n]
	if n > 0 {
		parent := &c.open[n-1]
		parent.inside.addAll(o.inside)
		parent.inside.add(o.list)
	}
	if others := o.above.or(o.inside); others != c.runs[o.list].in {
		c.endRun(o.list)
		c.runs[o.list].in = others
	}
	c.runs[o.list].n++
	if !o.above.empty() {
		return
	}
	left := o.prefix.size().minus(o.covered)
	if o.children > 0 && left == (u128{}) {
		return
	}
	own := &c.Own[o.list]
	own.Prefixes++
	switch {
	case o.prefix.fam != IPv4:
	case left == (u128{}): // all of 0.0.0.0/0, a size that overflows
		own.Addresses += 1 << 32
	default:
		own.Addresses += left.hi >> 32
	}
}

// endRun adds a run to the counts.
func (c *comparing) endRun(list int) {
	r := &c.runs[list]
	for word, set := range r.in {
		for ; set != 0; set &= set - 1 {
			c.Shared[list][64*word+bits.TrailingZeros64(set)] += r.n
		}
	}
	r.n = 0
}

// size is how many addresses p has, times the size of an address. That of all addresses overflows
// to zero.
func (p Prefix) size() u128 {
	if p.bits == 0 {
		return u128{}
	}
	return bit(p.bits)
}

// minus returns a-b, without a borrow.
func (a u128) minus(b u128) (rest u128) {
	var borrow uint64
	rest.lo, borrow = bits.Sub64(a.lo, b.lo, 0)
	rest.hi, _ = bits.Sub64(a.hi, b.hi, borrow)
	return rest
}

// merge yields the prefixes of several sets in order. It is a heap of what is left of each.
type merge struct {
	left  [][]Prefix
	lists []int
}

func newMerge(lists []Sets, f Family) *merge {
	m := &merge{}
	for i := range lists {
		if ps := lists[i][f].ps; len(ps) > 0 {
			m.left, m.lists = append(m.left, ps), append(m.lists, i)
		}
	}
	for i := len(m.left)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// pop returns the next prefix, and the list that has it.
func (m *merge) pop() (p Prefix, list int, ok bool) {
	if len(m.left) == 0 {
		return p, 0, false
	}
	p, list = m.left[0][0], m.lists[0]
	if m.left[0] = m.left[0][1:]; len(m.left[0]) == 0 {
		last := len(m.left) - 1
		m.left[0], m.lists[0] = m.left[last], m.lists[last]
		m.left, m.lists = m.left[:last], m.lists[:last]
	}
	m.down(0)
	return p, list, true
}

func (m *merge) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.left); child++ {
			if m.left[child][0].less(m.left[least][0]) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.left[i], m.left[least] = m.left[least], m.left[i]
		m.lists[i], m.lists[least] = m.lists[least], m.lists[i]
		i = least
	}
}
