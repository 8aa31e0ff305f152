package ipsetsync

import (
	"iter"

	"github.com/voipbl/voipbl/cidr"
)

// Content summarizes the entries of a set: enough to see whether they have changed, and
// what they have counted. Reading it takes no more memory for a large set.
type Content struct {
	Header
	Digest  uint64   // see [Digest]
	NoMatch int      // entries that are exceptions
	Lengths [129]int // number of entries of each prefix length
	Sample  Sample   // some of the entries

	// Counted by the current entries since they were added.
	Packets, Bytes uint64
}

// Digest returns the sum of the hashes of the pieces in which a set is written. It does not
// depend on their order. Two different sets have the same digest once in 2^64.
func Digest(s cidr.Shape) uint64 { return digest(s.All()) }

func digest(ps iter.Seq[cidr.Prefix]) (sum uint64) {
	for p := range ps {
		sum += p.Hash()
	}
	return sum
}

// Content reads a set and returns its summary.
func (k *Kernel) Content(name string) (*Content, error) { return k.content(name, nil) }

// ContentAndCounts is [Kernel.Content], and returns what entries have counted, in no order. One that the
// kernel moves meanwhile may be there twice.
func (k *Kernel) ContentAndCounts(name string) (c *Content, counts []Count, err error) {
	c, err = k.content(name, &counts)
	return c, counts, err
}

// content reads a set. If counts is not nil, it sets it to what entries have counted.
func (k *Kernel) content(name string, counts *[]Count) (*Content, error) {
	var c Content
	var sample sampler
	visit := func(e entry) {
		hash := e.count.Prefix.Hash()
		c.Digest += hash
		c.Lengths[e.count.Prefix.Bits()]++
		c.Packets += e.count.Packets
		c.Bytes += e.count.Bytes
		if counts != nil && e.count.Packets > 0 {
			*counts = append(*counts, e.count)
		}
		if e.nomatch {
			c.NoMatch++
			return
		}
		sample.add(e.count.Prefix, hash)
	}
	again := func() {
		if c, sample = (Content{}), (sampler{}); counts != nil {
			*counts = nil
		}
	}
	live, err := k.list("list", name, listRequest(name), listing{entries: true, visit: visit, again: again})
	if err != nil {
		k.note(name, Header{}, err)
		return nil, err
	}
	c.Header, c.Sample = live.Header, sample.in
	k.note(name, c.Header, nil)
	return &c, nil
}
