package ipsetsync

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

const (
	// maxelemDefault is fixed, so that a saved set can be restored into an existing
	// one. It costs no memory. The kernel's own default of 65536 is too small for
	// today's list.
	maxelemDefault = 1 << 20

	// hashsizeMin is the kernel's default (net/netfilter/ipset:
	// IPSET_DEFAULT_HASHSIZE).
	hashsizeMin = 1024

	// tempSuffix ends the name of the temporary set.
	tempSuffix = "-next"
)

// TempName returns the name of the temporary set that is filled and then swapped with
// name.
func TempName(name string) string { return name + tempSuffix }

// Plan is the steps after which one set holds the desired entries. NewPlan makes it,
// [Kernel.Execute] executes it.
//
// The entries that it counts are the lists' own, unless it says otherwise. The kernel may
// hold them in pieces.
type Plan struct {
	Name    string
	Family  cidr.Family
	Live    *Header // the current set, nil if there is none
	Why     string  // why the set is written although its entries are the same
	Added   int     // entries that are not in the live set
	Removed int     // entries that are only in the live set
	Kept    int     // entries in both

	// Lacked is how many entries the live set does not block whole, Strange how many
	// entries of it block more than is desired.
	Lacked, Strange int

	Before, After Held   // what the set holds
	Digest        uint64 // of After; see [Digest]
	Reshaped      bool   // only the pieces change, not the entries

	// Header is what the kernel said last of the set that is Unchanged or that Execute has
	// filled.
	Header Header

	// The steps, in three parts; all are empty if nothing is to be done. Build fills a
	// temporary set, Switch swaps it in, Clean removes the old one.
	Build, Switch, Clean []Step

	entries cidr.Shape
	counts  []Count
}

// Held is what a set holds: its entries, and the pieces in which the kernel holds them.
type Held struct {
	Entries int
	Pieces  int
	Lengths []int // of the pieces, in order
}

// ShapeOf chooses the prefix lengths by which the entries of a set are written; see
// [cidr.ShapeOf]. The set's maxelem stays what it is without extra pieces, so that a saved
// set can be restored into it whatever its shape.
func ShapeOf(set cidr.Set, extra int) cidr.Shape {
	return cidr.ShapeOf(set, min(extra, int(maxelem(set.Len()))-set.Len()))
}

func heldIn(s cidr.Shape) Held {
	return Held{s.Set().Len(), s.Len(), cidr.WhichLengths(s.Lengths())}
}

// Steps returns all steps in order.
func (p *Plan) Steps() []Step { return slices.Concat(p.Build, p.Switch, p.Clean) }

// Op is the kind of a Step.
type Op string

const (
	opCreate  Op = "create"  // create Set
	opAdd     Op = "add"     // add all entries to Set
	opCount   Op = "count"   // read back how many entries Set has
	opSwap    Op = "swap"    // exchange the contents of Set and Other
	opRename  Op = "rename"  // give Set the name Other
	opDestroy Op = "destroy" // remove Set
)

// Step is one operation of a Plan.
type Step struct {
	Op       Op
	Set      string
	Other    string
	Entries  int    // of opAdd and opCount
	Hashsize uint32 // of opCreate
	Maxelem  uint32 // of opCreate
}

func (s Step) String() string {
	switch s.Op {
	case opCreate:
		return fmt.Sprintf("create %s hash:net hashsize %d maxelem %d counters", s.Set, s.Hashsize, s.Maxelem)
	case opAdd:
		return fmt.Sprintf("add %d entries to %s", s.Entries, s.Set)
	case opCount:
		return fmt.Sprintf("read back that %s has %d entries", s.Set, s.Entries)
	case opSwap:
		return fmt.Sprintf("swap %s and %s", s.Set, s.Other)
	case opRename:
		return fmt.Sprintf("rename %s to %s", s.Set, s.Other)
	}
	return fmt.Sprintf("%s %s", s.Op, s.Set)
}

// InUseError is returned for a set that cannot be removed because something refers to
// it: one of voipbl's that is to be removed, or a foreign one with its name and another
// type that is to be replaced. (A swap works only between sets of one type.)
type InUseError struct {
	Header Header
	Want   cidr.Family
	Users  []string // what refers to it; filled in by the caller
}

func (e *InUseError) Error() string {
	s := fmt.Sprintf("set %s is in use (references: %d)", e.Header.Name, e.Header.References)
	if !IsOurs(e.Header, e.Want) {
		s += fmt.Sprintf(" and is a %s of %s, not the hash:net of %s that is needed", e.Header.Type, e.Header.Family, e.Want)
	}
	for _, u := range e.Users {
		s += "\n    by " + u
	}
	return s
}

// Remedy returns what to do about it.
func (e *InUseError) Remedy() string {
	return "take out what uses it and run again, or choose another name with \"set:\""
}

// IsOurs reports whether a set has the type and family of the sets that voipbl makes. If
// not, a set with the name of one of voipbl's belongs to another program.
func IsOurs(h Header, family cidr.Family) bool {
	return h.Type == TypeHashNet && h.Family == family
}

// LooksLikeList reports whether a set has all properties of the sets that voipbl makes for
// lists. Other programs may make such sets, too.
func LooksLikeList(h Header) bool {
	return h.Type == TypeHashNet && h.Counters && !h.Timeout && !h.Comment && !h.Forceadd && !h.Skbinfo &&
		h.Maxelem >= maxelemDefault && h.Maxelem == powerOfTwo(int(h.Maxelem))
}

// NewPlan compares the desired entries of the set called name with live, the set of that
// name, which is nil if there is none. It joins the pieces in live to entries.
func NewPlan(name string, family cidr.Family, desired cidr.Shape, live *Live) (*Plan, error) {
	own := desired.Set()
	p := &Plan{Name: name, Family: family, entries: desired, Added: own.Len(), Lacked: own.Len(), After: heldIn(desired), Digest: Digest(desired)}
	temp := TempName(name)
	build := []Step{
		{Op: opCreate, Set: temp, Hashsize: hashsize(desired.Len()), Maxelem: maxelem(desired.Len())},
		{Op: opAdd, Set: temp, Entries: desired.Len()},
		{Op: opCount, Set: temp, Entries: desired.Len()},
	}
	if live == nil {
		p.Build, p.Switch = build, []Step{{Op: opRename, Set: temp, Other: name}}
		return p, nil
	}
	header := live.Header
	p.Live, p.Header = &header, header
	p.Before = Held{int(live.Elements), int(live.Elements), cidr.WhichLengths(live.Lengths())}
	if !IsOurs(live.Header, family) {
		if live.References > 0 {
			return nil, &InUseError{Header: live.Header, Want: family}
		}
		p.Why = fmt.Sprintf("it was a %s of %s", live.Type, live.Family)
		p.Removed, p.Strange = p.Before.Entries, p.Before.Entries
		p.Build, p.Switch = build, []Step{{Op: opDestroy, Set: name}, {Op: opRename, Set: temp, Other: name}}
		return p, nil
	}
	p.Why = foreign(live.Header, live.NoMatch, maxelem(desired.Len()))
	if p.Why == "" && p.holdsAll(live) {
		p.Before.Entries, p.Kept, p.Added, p.Lacked = own.Len(), own.Len(), 0, 0
		return p, nil
	}
	live.sort()
	p.counts = carryCounts(desired, live.Counts)
	live.Prefixes = cidr.Aggregate(live.Prefixes)
	p.Before.Entries = len(live.Prefixes)
	p.compare(own, live.Prefixes)
	if p.Added == 0 && p.Removed == 0 && p.Why == "" {
		p.Why, p.Reshaped = reshaped(p.Before, p.After), true
	}
	p.Build, p.Switch, p.Clean = build, []Step{{Op: opSwap, Set: temp, Other: name}}, []Step{{Op: opDestroy, Set: temp}}
	return p, nil
}

// Entries returns the desired entries.
func (p *Plan) Entries() cidr.Set { return p.entries.Set() }

// OwnLengths returns the prefix lengths of the desired entries, in order.
func (p *Plan) OwnLengths() []int { return cidr.WhichLengths(p.entries.Own()) }

// Counts returns what the pieces have counted that the set holds after Execute, if before it was
// live: the counts that the swap carries over.
func (p *Plan) Counts(live *Live) []Count {
	switch {
	case live == nil:
		return nil
	case p.Unchanged():
		return live.Counts
	}
	return p.counts
}

// Unchanged reports whether there is nothing to do.
func (p *Plan) Unchanged() bool { return len(p.Build) == 0 }

// hashsize returns the number of buckets: the smallest power of two that is at least
// half of the entries. With it the kernel need not rehash while the set is filled
// (measured for 71,642 entries: 15 ms; with the default size 80 to 97 ms).
func hashsize(entries int) uint32 {
	return max(hashsizeMin, powerOfTwo((entries+1)/2))
}

func maxelem(entries int) uint32 {
	return max(maxelemDefault, powerOfTwo(entries))
}

// powerOfTwo returns the smallest power of two that is at least n.
func powerOfTwo(n int) uint32 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len32(uint32(n-1))
}

// holdsAll reports whether the live set holds the desired pieces and nothing else. It may
// have listed a piece twice, if the kernel moved it meanwhile.
func (p *Plan) holdsAll(live *Live) bool {
	if len(live.Prefixes) > p.entries.Len() {
		live.sort()
		live.Prefixes = slices.Compact(live.Prefixes)
	}
	return len(live.Prefixes) == p.entries.Len() && digest(slices.Values(live.Prefixes)) == p.Digest
}

// compare counts the entries in which own and live differ. Both are sorted and disjoint.
func (p *Plan) compare(own cidr.Set, live []cidr.Prefix) {
	p.Kept, p.Added, p.Removed, p.Lacked, p.Strange = 0, 0, 0, 0, 0
	for i := 0; i < own.Len() || len(live) > 0; {
		switch {
		case len(live) == 0, i < own.Len() && own.At(i).Compare(live[0]) < 0 && !own.At(i).Contains(live[0]):
			p.Added++
			p.Lacked++
			i++
		case i == own.Len(), !own.At(i).Overlaps(live[0]):
			p.Removed++
			p.Strange++
			live = live[1:]
		case own.At(i) == live[0]:
			p.Kept++
			i++
			live = live[1:]
		case own.At(i).Contains(live[0]): // wider than what is in the live set
			p.Added++
			p.Lacked++
			for ; len(live) > 0 && own.At(i).Contains(live[0]); live = live[1:] {
				p.Removed++
			}
			i++
		default: // the live set has a wider one
			p.Removed++
			p.Strange++
			for ; i < own.Len() && live[0].Contains(own.At(i)); i++ {
				p.Added++
			}
			live = live[1:]
		}
	}
}

// reshaped says in what a set is changed whose entries stay the same.
func reshaped(before, after Held) string {
	switch n, m := len(before.Lengths), len(after.Lengths); {
	case n == m:
		return "the same entries in other pieces"
	case n == 1:
		return fmt.Sprintf("1 prefix length becomes %d", m)
	default:
		return fmt.Sprintf("%d prefix lengths become %d", n, m)
	}
}

// foreign returns why a hash:net of the right family is not a set of voipbl's, or "".
func foreign(h Header, noMatch int, maxelem uint32) string {
	if noMatch > 0 {
		return fmt.Sprintf("%d of its entries were exceptions (nomatch)", noMatch)
	}
	return h.Replaced(maxelem)
}

// Replaced returns why a hash:net is not as voipbl made it with this maxelem, or "": somebody has
// put a set of his own in its place.
func (h Header) Replaced(maxelem uint32) string {
	switch {
	case h.Timeout:
		return "its entries could expire"
	case !h.Counters:
		return "it had no counters"
	case h.Forceadd:
		return "it dropped entries when full (forceadd)"
	case h.Comment || h.Skbinfo:
		return "it had extensions that are not ours"
	case h.Maxelem != maxelem:
		return fmt.Sprintf("its maxelem was %d, not %d", h.Maxelem, maxelem)
	}
	return ""
}

// carryCounts copies the counts of the live set to the desired pieces, so that they
// survive the swap. A count goes to the piece that contains the one that has counted, or else
// to the first piece inside it, so that the sum for each entry stays the same. What is no
// longer blocked is no longer counted. A piece that was listed twice counts once.
func carryCounts(desired cidr.Shape, counts []Count) []Count {
	var carried []Count
	for i, c := range counts {
		if i > 0 && c.Prefix == counts[i-1].Prefix {
			continue
		}
		p, ok := desired.Piece(c.Prefix)
		if !ok {
			continue
		}
		if n := len(carried); n > 0 && carried[n-1].Prefix == p {
			carried[n-1].Packets += c.Packets
			carried[n-1].Bytes += c.Bytes
			continue
		}
		carried = append(carried, Count{p, c.Packets, c.Bytes})
	}
	return slices.Clip(carried)
}
