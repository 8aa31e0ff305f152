package ipsetsync

import "github.com/voipbl/voipbl/cidr"

// Header describes a kernel set.
type Header struct {
	Name       string
	Type       string // "hash:net" for ours
	Family     cidr.Family
	Revision   uint8
	Hashsize   uint32 // buckets; the kernel doubles it as the set grows
	Maxelem    uint32 // the most entries it takes
	References uint32 // rules and lists that use it
	Memory     uint32 // bytes; the array of buckets is not in it
	Elements   uint32
	Netmask    uint8 // of a hash:ip whose entries stand for networks; 0: for themselves
	Counters   bool
	Timeout    bool // entries may expire
	Comment    bool
	Forceadd   bool
	Skbinfo    bool
}

// Live is a kernel set as it was at one moment.
type Live struct {
	Header
	Prefixes []cidr.Prefix // sorted
	Counts   []Count       // of those entries that have counted anything, sorted
	NoMatch  int           // entries that are exceptions; ours never are

	Exceptions []cidr.Prefix // these entries, of a ban set
	Sets       []string      // the members of a list:set
}

// Count is what a set has counted for one entry since the entry was added.
type Count struct {
	Prefix         cidr.Prefix
	Packets, Bytes uint64
}

// Find returns the entry of the set that decides about p, and what it counted.
func (l *Live) Find(p cidr.Prefix) (Count, bool) {
	best, found := Count{}, false
	for _, q := range l.Prefixes {
		if q.Contains(p) { // the kernel probes the longest prefixes first
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

// Within counts the entries inside p.
func (l *Live) Within(p cidr.Prefix) int {
	n := 0
	for _, q := range l.Prefixes {
		if p.Contains(q) {
			n++
		}
	}
	return n
}
