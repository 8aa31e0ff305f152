package banlist

import "github.com/voipbl/voipbl/cidr"

// The bans of one prefix are a chain. Almost always that is one ban or two. But where the networks around
// addresses are banned, one network has as many bans as addresses in it were banned, which an attacker who
// has a /64 makes many. So a long chain has an index.

// indexFrom is how many bans a chain has before it gets an index: fewer are searched about as fast.
const indexFrom = 16

// index finds the bans of one prefix.
type index struct {
	before map[key]*entry // by ban, the one before it in the chain; nil before the first
	last   *entry
}

// key tells the bans of one prefix apart.
type key struct {
	address cidr.Prefix
	reason  string
}

func (e *entry) key() key { return key{e.address, e.reason} }

// newIndex returns the index of a chain.
func newIndex(first *entry) *index {
	i := &index{before: make(map[key]*entry)}
	for e := first; e != nil; e = e.next {
		i.before[e.key()] = i.last
		i.last = e
	}
	return i
}

// find returns the ban in the chain that is the same as e; nil if there is none.
func (i *index) find(first, e *entry) *entry {
	switch before, found := i.before[e.key()]; {
	case !found:
		return nil
	case before == nil:
		return first
	default:
		return before.next
	}
}

// link appends a ban to the chain of its prefix, which has none that is the same.
func (t *Table) link(e *entry) {
	last := t.byPrefix[e.prefix]
	if last == nil {
		t.byPrefix[e.prefix] = e
		return
	}
	if i := t.long[e.prefix]; i != nil {
		i.before[e.key()] = i.last
		i.last.next, i.last = e, e
		return
	}
	n := 2
	for ; last.next != nil; n++ {
		last = last.next
	}
	last.next = e
	if n >= indexFrom {
		t.long[e.prefix] = newIndex(t.byPrefix[e.prefix])
	}
}

// unlink takes a ban out of the chain of its prefix.
func (t *Table) unlink(e *entry) {
	var before *entry
	i := t.long[e.prefix]
	if i != nil {
		before = i.before[e.key()]
	} else {
		for o := t.byPrefix[e.prefix]; o != e; o = o.next {
			before = o
		}
	}
	switch {
	case before != nil:
		before.next = e.next
	case e.next != nil:
		t.byPrefix[e.prefix] = e.next
	default:
		delete(t.byPrefix, e.prefix)
	}
	if i == nil {
		return
	}
	delete(i.before, e.key())
	if e.next != nil {
		i.before[e.next.key()] = before
	} else {
		i.last = before
	}
	if len(i.before) < indexFrom/2 {
		delete(t.long, e.prefix)
	}
}
