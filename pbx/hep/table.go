package hep

// table is a map with a fixed number of places. A new entry takes the place of the oldest one when
// all are taken.
type table[V any] struct {
	places  int
	entries map[uint64]entry[V]
	order   []uint64 // the key in each place
	next    int      // the place of the next new entry
}

type entry[V any] struct {
	value V
	place int
}

func newTable[V any](places int) table[V] {
	return table[V]{places: places, entries: map[uint64]entry[V]{}}
}

func (t *table[V]) get(key uint64) (V, bool) {
	e, ok := t.entries[key]
	return e.value, ok
}

// put adds an entry, or changes its value; it stays as old as it is.
func (t *table[V]) put(key uint64, value V) {
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

// remove removes an entry. Its place is used again when it is that of the oldest.
func (t *table[V]) remove(key uint64) { delete(t.entries, key) }

func (t *table[V]) clear() {
	clear(t.entries)
	t.order, t.next = t.order[:0], 0
}
