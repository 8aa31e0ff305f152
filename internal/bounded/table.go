// Package bounded has a map that takes no more memory than it was given.
package bounded

// Table is a map with a fixed number of places. A new entry takes the place of the oldest one when
// all are taken. Its entries are in pieces of memory that stay: it makes hardly any garbage, and the
// collector has nothing to follow in it where values have no pointers.
type Table[V any] struct {
	places int
	pieces [][]entry[V] // of the same length, with the entries in their places
	index  []uint32     // places by key, each plus 1, or 0: a hash table with linear probing
	used   int          // places that have been used
	next   int          // the place of the next new entry
	n      int
}

type entry[V any] struct {
	value V
	key   uint64
	is    bool // false in a place that has become free
}

// piece is how many entries a piece has.
const piece = 64

// NewTable returns an empty table.
func NewTable[V any](places int) Table[V] { return Table[V]{places: places} }

// at returns the entry in a place.
func (t *Table[V]) at(place int) *entry[V] { return &t.pieces[place/piece][place%piece] }

// home returns where a key belongs in the index, whose length is a power of two. Keys are hashes, but
// small numbers do as well.
func (t *Table[V]) home(key uint64) int {
	const golden = 0x9e3779b97f4a7c15
	return int(key*golden>>32) & (len(t.index) - 1)
}

// find returns where a key is in the index, or the free place where it would be.
func (t *Table[V]) find(key uint64) int {
	i := t.home(key)
	for t.index[i] != 0 && t.at(int(t.index[i])-1).key != key {
		i = t.after(i)
	}
	return i
}

func (t *Table[V]) after(i int) int { return (i + 1) & (len(t.index) - 1) }

// entry returns the entry of a key, nil if there is none.
func (t *Table[V]) entry(key uint64) *entry[V] {
	if t.n == 0 {
		return nil
	}
	if p := t.index[t.find(key)]; p != 0 {
		return t.at(int(p) - 1)
	}
	return nil
}

// Get returns the value of an entry, and whether there is one.
func (t *Table[V]) Get(key uint64) (value V, ok bool) {
	if e := t.entry(key); e != nil {
		return e.value, true
	}
	return value, false
}

// Put adds an entry, or changes its value; it stays as old as it is.
func (t *Table[V]) Put(key uint64, value V) {
	if e := t.entry(key); e != nil {
		e.value = value
		return
	}
	if t.next == t.used {
		t.grow()
	} else if old := t.at(t.next); old.is {
		t.Remove(old.key)
	}
	*t.at(t.next) = entry[V]{value, key, true}
	t.index[t.find(key)] = uint32(t.next) + 1
	t.n++
	t.next = (t.next + 1) % t.places
}

// grow makes room for one more entry. The index is at most half full.
func (t *Table[V]) grow() {
	t.used++
	if t.used > piece*len(t.pieces) {
		t.pieces = append(t.pieces, make([]entry[V], piece))
	}
	if 2*t.used <= len(t.index) {
		return
	}
	t.index = make([]uint32, max(2*piece, 2*len(t.index)))
	for place := range t.used - 1 {
		if e := t.at(place); e.is {
			t.index[t.find(e.key)] = uint32(place) + 1
		}
	}
}

// Remove removes an entry. Its place is used again when it is that of the oldest.
func (t *Table[V]) Remove(key uint64) {
	if t.n == 0 {
		return
	}
	free := t.find(key)
	if t.index[free] == 0 {
		return
	}
	*t.at(int(t.index[free]) - 1) = entry[V]{}
	t.n--
	t.index[free] = 0
	// What was put behind because this place was taken comes nearer to where it belongs.
	for i := t.after(free); t.index[i] != 0; i = t.after(i) {
		home := t.home(t.at(int(t.index[i]) - 1).key)
		if mask := len(t.index) - 1; (i-home)&mask >= (i-free)&mask {
			t.index[free], t.index[i] = t.index[i], 0
			free = i
		}
	}
}

// Len returns the number of entries.
func (t *Table[V]) Len() int { return t.n }

// Clear removes all entries. It keeps the memory.
func (t *Table[V]) Clear() {
	for _, p := range t.pieces {
		clear(p)
	}
	clear(t.index)
	t.used, t.next, t.n = 0, 0, 0
}
