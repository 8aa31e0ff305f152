package detect

import "net/netip"

// source is who is counted as one: an IPv4 address, or an IPv6 network /64.
type source struct {
	bits uint64
	six  bool
}

func sourceOf(a netip.Addr) source {
	b := a.As16()
	s := source{six: !a.Is4()}
	from := b[:8]
	if !s.six {
		from = b[8:]
	}
	for _, c := range from {
		s.bits = s.bits<<8 | uint64(c)
	}
	return s
}

// prefixOf returns the network that counts as one source.
func prefixOf(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	return netip.PrefixFrom(a, 64).Masked()
}

// table has a value for each of a bounded number of sources. When it is full, a new one takes
// the place of that which was used longest ago.
type table[V any] struct {
	most   int
	places map[source]int32
	rows   []row[V]
	newest int32 // -1 if there is none
	oldest int32
	free   int32 // a row that was removed, -1 if there is none; older is the next one
}

type row[V any] struct {
	value        V
	key          source
	newer, older int32
}

func newTable[V any](most int) table[V] {
	return table[V]{most: most, places: make(map[source]int32), newest: -1, oldest: -1, free: -1}
}

// peek returns the value of a source without using it; nil if there is none. It is good until the
// next call of get.
func (t *table[V]) peek(s source) *V {
	if i, ok := t.places[s]; ok {
		return &t.rows[i].value
	}
	return nil
}

// get returns the value of a source, a new one if there is none. It is good until the next call.
func (t *table[V]) get(s source) *V {
	i, ok := t.places[s]
	switch {
	case ok:
		t.unlink(i)
	case t.free >= 0:
		i = t.free
		t.free = t.rows[i].older
	case len(t.rows) < t.most:
		i = int32(len(t.rows))
		t.rows = append(t.rows, row[V]{})
	default:
		i = t.oldest
		t.unlink(i)
		delete(t.places, t.rows[i].key)
	}
	if !ok {
		t.rows[i] = row[V]{key: s}
		t.places[s] = i
	}
	t.link(i)
	return &t.rows[i].value
}

func (t *table[V]) remove(s source) {
	i, ok := t.places[s]
	if !ok {
		return
	}
	t.unlink(i)
	delete(t.places, s)
	t.rows[i] = row[V]{older: t.free}
	t.free = i
}

// link makes a row the newest one.
func (t *table[V]) link(i int32) {
	t.rows[i].newer, t.rows[i].older = -1, t.newest
	if t.newest >= 0 {
		t.rows[t.newest].newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *table[V]) unlink(i int32) {
	newer, older := t.rows[i].newer, t.rows[i].older
	if newer >= 0 {
		t.rows[newer].older = older
	} else {
		t.newest = older
	}
	if older >= 0 {
		t.rows[older].newer = newer
	} else {
		t.oldest = newer
	}
}
