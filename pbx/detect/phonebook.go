package detect

import (
	"cmp"
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/pbx"
)

// phone is a Phone by the detector's clock.
type phone struct {
	addr               netip.Addr
	account, transport string
	proved             bool
	since, last, until moment // last is when it proved its password last
	told               moment // when the admin was told of its account; 0 if never
	news               bool   // it has proved its password since a verdict or Renewed had it
	wrong              bucket
	wrongAt            moment
}

// phones are by address and account.
type phones struct {
	table[uint64, phone]
	seed maphash.Seed
	here chain[source]
	same chain[uint64] // by the hash of the account
}

func newPhones() phones {
	return phones{table: newTable[uint64, phone](pbx.MostPhones), seed: maphash.MakeSeed(), here: newChain[source](), same: newChain[uint64]()}
}

func (p *phones) hash(account string) uint64 { return maphash.String(p.seed, account) }

func (p *phones) key(a netip.Addr, account string) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	b := a.As16()
	h.Write(b[:])
	h.WriteString(account)
	return h.Sum64()
}

// find returns a phone, which is then that which was right last; nil if it is not known.
func (p *phones) find(a netip.Addr, account string) *phone {
	key := p.key(a, account)
	if p.peek(key) == nil {
		return nil
	}
	return p.get(key)
}

// of returns a phone of an account at a source, nil if there is none.
func (p *phones) of(account string, s source) *phone {
	for i := range p.same.all(p.hash(account)) {
		if q := &p.rows[i].value; sourceOf(q.addr) == s && q.account == account {
			return q
		}
	}
	return nil
}

// accounts returns how many accounts a source has. It does not count more than most.
func (p *phones) accounts(s source, most int) int {
	found := make([]string, 0, 8)
	for i := range p.here.all(s) {
		if a := p.rows[i].value.account; !slices.Contains(found, a) {
			found = append(found, a)
		}
		if len(found) == most {
			break
		}
	}
	return len(found)
}

// add adds a phone that is not known. Where its account has too many, one of these makes room, and else
// the one of all that was right longest ago. A phone whose address is not proved takes no other's place
// but that of its account. It returns false if there was no room.
func (p *phones) add(q phone) bool {
	own := slices.Collect(p.same.all(p.hash(q.account)))
	switch {
	case len(own) >= pbx.MostOfAccount:
		p.forget(p.leastOf(own, q.last))
	case len(p.places) < pbx.MostPhones:
	case q.proved:
		p.forget(p.oldest)
	default:
		return false
	}
	*p.get(p.key(q.addr, q.account)) = q
	p.here.add(sourceOf(q.addr), p.newest)
	p.same.add(p.hash(q.account), p.newest)
	return true
}

// leastOf returns which of all phones of an account makes room: see [pbx.MostOfAccount].
func (p *phones) leastOf(own []int32, now moment) int32 {
	by := func(at func(phone) moment) func(a, b int32) int {
		return func(a, b int32) int { return cmp.Compare(at(p.rows[a].value), at(p.rows[b].value)) }
	}
	unused := slices.MinFunc(own, by(func(q phone) moment { return q.last }))
	if now.since(p.rows[unused].value.last) >= pbx.InUse {
		return unused
	}
	slices.SortFunc(own, by(func(q phone) moment { return q.since }))
	return own[pbx.MostOfAccount/2]
}

func (p *phones) forget(i int32) {
	q := p.rows[i].value
	p.here.remove(sourceOf(q.addr), i)
	p.same.remove(p.hash(q.account), i)
	p.remove(p.rows[i].key)
}

// forgetIn forgets the phones in a network.
func (p *phones) forgetIn(n netip.Prefix) {
	in := func(q *phone) bool { return n.Contains(q.addr) }
	if !n.IsSingleIP() {
		p.forgetIf(in)
		return
	}
	var at []int32
	for i := range p.here.all(sourceOf(n.Addr())) {
		if in(&p.rows[i].value) {
			at = append(at, i)
		}
	}
	for _, i := range at {
		p.forget(i)
	}
}

// forgetIf forgets the phones that fulfil a condition.
func (p *phones) forgetIf(gone func(*phone) bool) {
	for i := p.oldest; i >= 0; {
		newer := p.rows[i].newer
		if gone(&p.rows[i].value) {
			p.forget(i)
		}
		i = newer
	}
}

func (p *phones) forgetAll(s source) {
	for p.here.has(s) {
		p.forget(p.here.first[s])
	}
}

// chain is which rows of a table have something in common.
type chain[K comparable] struct {
	first map[K]int32
	next  []int32 // by row, -1 if it is the last one
}

func newChain[K comparable]() chain[K] { return chain[K]{first: make(map[K]int32)} }

func (c *chain[K]) has(k K) bool {
	_, ok := c.first[k]
	return ok
}

// all returns the rows of a chain, which must not be changed meanwhile.
func (c *chain[K]) all(k K) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		i, ok := c.first[k]
		for ok && yield(i) {
			i = c.next[i]
			ok = i >= 0
		}
	}
}

func (c *chain[K]) add(k K, row int32) {
	for int(row) >= len(c.next) {
		c.next = append(c.next, 0)
	}
	c.next[row] = -1
	if first, ok := c.first[k]; ok {
		c.next[row] = first
	}
	c.first[k] = row
}

func (c *chain[K]) remove(k K, row int32) {
	first := c.first[k]
	switch {
	case first != row:
		before := first
		for c.next[before] != row {
			before = c.next[before]
		}
		c.next[before] = c.next[row]
	case c.next[row] >= 0:
		c.first[k] = c.next[row]
	default:
		delete(c.first, k)
	}
}
