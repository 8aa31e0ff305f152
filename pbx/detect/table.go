package detect

import (
	"encoding/binary"
	"net/netip"

	"github.com/voipbl/voipbl/pbx"
)

// source is who is counted as one: an IPv6 network /64, or a single address. The latter stands where
// IPv6 has multicast, and so no source (see possible).
type source uint64

// shared is IPv6 space in which a /64 does not belong to one customer. Package exempt has the same, so
// that bans are not widened there.
var shared = [...]netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64 (RFC 6052)
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 within a network (RFC 8215)
	netip.MustParsePrefix("2001::/32"),      // Teredo (RFC 4380)
}

func sourceOf(a netip.Addr) source {
	const single = 0xff << 56
	b := a.As16()
	last := source(binary.BigEndian.Uint64(b[8:]))
	if a.Is4() {
		return single | last&(1<<32-1)
	}
	for i, s := range shared {
		if s.Contains(a) {
			return single | source(i+1)<<48 | (last^last>>48)&(1<<48-1)
		}
	}
	return source(binary.BigEndian.Uint64(b[:8]))
}

// prefixOf returns the network that counts as one source.
func prefixOf(a netip.Addr) netip.Prefix {
	if sourceOf(a)>>56 == 0xff {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.PrefixFrom(a, pbx.SourceBits6).Masked()
}

// table has a value for each of a bounded number of keys. When it is full, a new one takes the
// place of that which was used longest ago.
type table[K ~uint64, V any] struct {
	most   int
	places map[K]int32
	rows   []row[K, V]
	newest int32 // -1 if there is none
	oldest int32
	free   int32 // a row that was removed, -1 if there is none; older is the next one
}

type row[K ~uint64, V any] struct {
	value        V
	key          K
	newer, older int32
}

func newTable[K ~uint64, V any](most int) table[K, V] {
	return table[K, V]{most: most, places: make(map[K]int32), newest: -1, oldest: -1, free: -1}
}

// peek returns the value of a key without using it; nil if there is none. It is good until the
// next call of get.
func (t *table[K, V]) peek(key K) *V {
	if i, ok := t.places[key]; ok {
		return &t.rows[i].value
	}
	return nil
}

// get returns the value of a key, a new one if there is none. It is good until the next call.
func (t *table[K, V]) get(key K) *V {
	i, ok := t.places[key]
	switch {
	case ok:
		t.unlink(i)
	case t.free >= 0:
		i = t.free
		t.free = t.rows[i].older
	case len(t.rows) < t.most:
		i = int32(len(t.rows))
		if len(t.rows) == cap(t.rows) { // append would make more room than is ever used
			t.rows = append(make([]row[K, V], 0, min(max(32, 2*len(t.rows)), t.most)), t.rows...)
		}
		t.rows = append(t.rows, row[K, V]{})
	default:
		i = t.oldest
		t.unlink(i)
		delete(t.places, t.rows[i].key)
	}
	if !ok {
		t.rows[i] = row[K, V]{key: key}
		t.places[key] = i
	}
	t.link(i)
	return &t.rows[i].value
}

func (t *table[K, V]) remove(key K) {
	i, ok := t.places[key]
	if !ok {
		return
	}
	t.unlink(i)
	delete(t.places, key)
	t.rows[i] = row[K, V]{older: t.free}
	t.free = i
}

// link makes a row the newest one.
func (t *table[K, V]) link(i int32) {
	t.rows[i].newer, t.rows[i].older = -1, t.newest
	if t.newest >= 0 {
		t.rows[t.newest].newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *table[K, V]) unlink(i int32) {
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
