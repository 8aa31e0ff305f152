package hits

import (
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Tally is what the entries in the sets have counted that a list has, whole or in part.
type Tally struct {
	Entries     int // that have counted anything, as the kernel has them
	Packets     uint64
	OnlyEntries int // of which no other list has a part
	OnlyPackets uint64
	Unknown     bool // the list's copy could not be read
}

// Sorted returns counts of both families in order, each entry once: the kernel lists an entry again
// that it moves meanwhile.
func Sorted(counts ...[]ipsetsync.Count) []ipsetsync.Count {
	all := slices.Concat(counts...)
	slices.SortFunc(all, func(a, b ipsetsync.Count) int { return a.Prefix.Compare(b.Prefix) })
	return slices.CompactFunc(all, func(a, b ipsetsync.Count) bool { return a.Prefix == b.Prefix })
}

// TallyOf attributes counts, which are sorted, to lists. visit calls each with every prefix of a list.
func TallyOf(lists []string, counts []ipsetsync.Count, visit func(list string, each func(cidr.Prefix)) error) (map[string]Tally, []error) {
	t, errs := newTallier(counts), []error(nil)
	for _, list := range lists {
		errs = t.list(list, visit, errs)
	}
	return t.tallies(), errs
}

// tallier attributes counts to one list after the other.
type tallier struct {
	counts []ipsetsync.Count
	near   *near
	owners []int    // of each count: how many lists have a part of it
	owner  []string // of each count: the last of them
	of     map[string]Tally
	has    []bool // of each count: whether the present list has a part of it
}

func newTallier(counts []ipsetsync.Count) *tallier {
	n := len(counts)
	t := &tallier{counts: counts, owners: make([]int, n), owner: make([]string, n), of: make(map[string]Tally), has: make([]bool, n)}
	if n > 0 {
		t.near = newNear(counts)
	}
	return t
}

// list attributes to a list what it has of the counts, and adds an error to errs if that is not known.
func (t *tallier) list(name string, visit func(list string, each func(cidr.Prefix)) error, errs []error) []error {
	if len(t.counts) == 0 {
		t.of[name] = Tally{}
		return errs
	}
	err := visit(name, t.mark)
	t.end(name, err)
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

// mark notes which entries overlap p, a prefix of the present list. Entries of a set of the lists are
// disjoint.
func (t *tallier) mark(p cidr.Prefix) {
	if len(t.counts) == 0 || !t.near.may(p) {
		return
	}
	i, _ := slices.BinarySearchFunc(t.counts, p, func(c ipsetsync.Count, p cidr.Prefix) int { return c.Prefix.Compare(p) })
	if i > 0 && t.counts[i-1].Prefix.Contains(p) {
		t.has[i-1] = true
	}
	for ; i < len(t.counts) && p.Contains(t.counts[i].Prefix); i++ {
		t.has[i] = true
	}
}

// end ends the present list. err is why not all of its prefixes are known.
func (t *tallier) end(name string, err error) {
	sum := Tally{Unknown: err != nil}
	for i, c := range t.counts {
		if t.has[i] && err == nil {
			sum.Entries++
			sum.Packets += c.Packets
			t.owners[i]++
			t.owner[i] = name
		}
	}
	clear(t.has)
	t.of[name] = sum
}

// tallies returns the tally of each list.
func (t *tallier) tallies() map[string]Tally {
	for i, c := range t.counts {
		if t.owners[i] == 1 {
			sum := t.of[t.owner[i]]
			sum.OnlyEntries++
			sum.OnlyPackets += c.Packets
			t.of[t.owner[i]] = sum
		}
	}
	return t.of
}

// near tells quickly of most prefixes that they overlap none of some entries. Few entries of a large
// list have counted anything, and a search among those takes longer than reading a line of a list.
type near struct {
	hashes  [nearBits / 64]uint64 // of the entries, those longer than nearLength widened to that
	lengths [2][]uint8            // by family: those of the entries that are shorter
}

const nearBits = 1 << 18 // 32 KiB

// nearLength is the length, by family, at which entries are told apart.
var nearLength = [2]uint8{cidr.IPv4: 16, cidr.IPv6: 48}

func newNear(counts []ipsetsync.Count) *near {
	n := new(near)
	for f, length := range nearLength {
		n.lengths[f] = []uint8{length}
	}
	for _, c := range counts {
		f := c.Prefix.Family()
		key := c.Prefix.Widen(nearLength[f])
		if !slices.Contains(n.lengths[f], key.Bits()) {
			n.lengths[f] = append(n.lengths[f], key.Bits())
		}
		h := key.Hash() % nearBits
		n.hashes[h/64] |= 1 << (h % 64)
	}
	return n
}

// may is false only if p overlaps no entry.
func (n *near) may(p cidr.Prefix) bool {
	f := p.Family()
	if p.Bits() < nearLength[f] {
		return true
	}
	for _, length := range n.lengths[f] {
		if h := p.Widen(length).Hash() % nearBits; n.hashes[h/64]&(1<<(h%64)) != 0 {
			return true
		}
	}
	return false
}
