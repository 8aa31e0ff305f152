package ipsetsync

import "github.com/voipbl/voipbl/cidr"

// Content is what a set holds, without its entries: enough to see whether it holds
// the same as before, and what it has counted. Looking at it keeps nothing in
// memory, however large the set is.
type Content struct {
	Header
	Digest  uint64   // see [Digest]
	NoMatch int      // entries that are exceptions
	Lengths [129]int // how many entries there are of each prefix length

	// What the present entries have counted since they were added.
	Packets, Bytes uint64
}

// Digest names the content of a set: the sum of the hashes of its prefixes, in
// whatever order they come. Sets with different prefixes have the same one once
// in 2^64.
func Digest(s cidr.Set) uint64 {
	sum := uint64(0)
	for p := range s.All() {
		sum += p.Hash()
	}
	return sum
}

// Content reads through a set.
func (k *Kernel) Content(name string) (*Content, error) {
	var c Content
	visit := func(e entry) {
		c.Digest += e.count.Prefix.Hash()
		c.Lengths[e.count.Prefix.Bits()]++
		c.Packets += e.count.Packets
		c.Bytes += e.count.Bytes
		if e.nomatch {
			c.NoMatch++
		}
	}
	again := func() { c = Content{} }
	live, err := k.list("list", name, listRequest(name), listing{entries: true, visit: visit, again: again})
	if err != nil {
		return nil, err
	}
	c.Header = live.Header
	return &c, nil
}
