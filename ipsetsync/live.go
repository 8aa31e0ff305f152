package ipsetsync

import (
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// Header describes a kernel set.
type Header struct {
	Name       string
	Type       string // "hash:net" for voipbl's sets
	Family     cidr.Family
	Revision   uint8
	Hashsize   uint32 // buckets; the kernel doubles it as the set grows
	Maxelem    uint32 // the most entries it may hold
	References uint32 // rules and lists that use it
	Memory     uint32 // bytes, without the array of buckets
	Elements   uint32
	Netmask    uint8 // of a hash:ip whose entries are networks; 0 if they are addresses
	Counters   bool
	Timeout    bool // entries may expire
	Comment    bool
	Forceadd   bool
	Skbinfo    bool
}

// Live is the contents of a kernel set at one moment.
type Live struct {
	Header
	Prefixes []cidr.Prefix // sorted, except by [Kernel.DumpUnsorted]
	Counts   []Count       // of entries that have counted anything, sorted
	NoMatch  int           // entries that are exceptions (nomatch); voipbl's sets have none

	Exceptions []cidr.Prefix // these entries, for a ban set
	Sets       []string      // the members of a list:set
}

// Count is the packets and bytes that an entry has counted since it was added.
type Count struct {
	Prefix         cidr.Prefix
	Packets, Bytes uint64
}

// Find returns the entry of the set that matches p, with its counts.
func (l *Live) Find(p cidr.Prefix) (Count, bool) {
	best, found := Count{}, false
	for _, q := range l.Prefixes {
		if q.Contains(p) { // as the kernel does, the longest prefixes first
			best, found = Count{Prefix: q}, true
		}
	}
	for _, c := range l.Counts {
		if found && c.Prefix == best.Prefix {
			return c, true
		}
	}
	return best, found
}

// Within returns the number of entries inside p.
func (l *Live) Within(p cidr.Prefix) int {
	n := 0
	for _, q := range l.Prefixes {
		if p.Contains(q) {
			n++
		}
	}
	return n
}

// Lengths counts the entries of each prefix length.
func (l *Live) Lengths() (count [129]int) {
	for _, p := range l.Prefixes {
		count[p.Bits()]++
	}
	return count
}

// Covers reports whether one of the entries contains p, as one of the lists' own entries: those that
// [NewPlan] has compared, or [Live.Join] has joined.
func (l *Live) Covers(p cidr.Prefix) bool {
	i, found := slices.BinarySearchFunc(l.Prefixes, p, cidr.Prefix.Compare)
	return found || i > 0 && l.Prefixes[i-1].Contains(p)
}
