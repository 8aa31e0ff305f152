// Package bounded has a map that takes no more memory than it was given.
package bounded

// Table is a map with a fixed number of places. A new entry takes the place of the oldest one when
// all are taken.
type Table[V any] struct {
	places  int
	entries map[uint64]entry[V]
	order   []uint64 // the key in each place
	next    int      // the place of the next new entry
}

type entry[V any] struct {
	value V
	place int
}

// NewTable returns an empty table.
func NewTable[V any](places int) Table[V] {
	return Table[V]{places: places, entries: map[uint64]entry[V]{}}
}

// Get returns the value of an entry, and whether there is one.
func (t *Table[V]) Get(key uint64) (V, bool) {
	e, ok := t.entries[key]
	return e.value, ok
}

// Put adds an entry, or changes its value; it stays as old as it is.
func (t *Table[V]) Put(key uint64, value V) {
	if e, ok := t.entries[key]; ok {
		e.value = value
		t.entries[key] = e
		return
	}
	if t.next == len(t.order) {
		t.order = append(t.order, key)
	} else {
		old := t.order[t.next]
		if t.entries[old].place == t.next {
			delete(t.entries, old)
		}
		t.order[t.next] = key
	}
	t.entries[key] = entry[V]{value, t.next}
	t.next = (t.next + 1) % t.places
}

// Remove removes an entry. Its place is used again when it is that of the oldest.
func (t *Table[V]) Remove(key uint64) { delete(t.entries, key) }

// Len returns the number of entries.
func (t *Table[V]) Len() int { return len(t.entries) }

// Clear removes all entries.
func (t *Table[V]) Clear() {
	clear(t.entries)
	t.order, t.next = t.order[:0], 0
}
