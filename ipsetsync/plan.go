package ipsetsync

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

const (
	// maxelemDefault is fixed, so that a saved set can be restored into a
	// present one; it costs no memory. The kernel's own default of 65536 is
	// below today's list.
	maxelemDefault = 1 << 20

	// hashsizeMin is the kernel's default (net/netfilter/ipset:
	// IPSET_DEFAULT_HASHSIZE).
	hashsizeMin = 1024

	// tempSuffix makes the name of the temporary set.
	tempSuffix = "-next"
)

// MaxNameLength is the longest name for a set of ours: the kernel's 31
// characters less the suffix of the temporary set.
const MaxNameLength = maxNameLength - len(tempSuffix)

// TempName is the name of the temporary set that stands in for name while it
// is filled.
func TempName(name string) string { return name + tempSuffix }

// Plan is what has to happen for one set to hold the desired entries. It is
// made by NewPlan, printed, and executed by [Kernel.Execute].
type Plan struct {
	Name    string
	Family  cidr.Family
	Live    *Header // the set as it stands, nil if there is none
	Why     string  // why the set is written although its entries are the same
	Added   int     // entries that the live set does not have
	Removed int     // entries that only the live set has
	Kept    int     // entries in both

	// What is to be done, in three parts; all are empty if nothing is. Build
	// fills a temporary set, Switch puts it in force, Clean removes what was.
	Build, Switch, Clean []Step

	entries cidr.Set
	counts  []Count
}

// Steps are all steps in their order.
func (p *Plan) Steps() []Step { return slices.Concat(p.Build, p.Switch, p.Clean) }

// Op is the kind of a Step.
type Op string

const (
	OpCreate  Op = "create"  // create Set
	OpAdd     Op = "add"     // add all entries to Set
	OpCount   Op = "count"   // read back how many entries Set has
	OpSwap    Op = "swap"    // exchange the contents of Set and Other
	OpRename  Op = "rename"  // give Set the name Other
	OpDestroy Op = "destroy" // remove Set
)

// Step is one operation of a Plan.
type Step struct {
	Op       Op
	Set      string
	Other    string
	Entries  int    // of OpAdd and OpCount
	Hashsize uint32 // of OpCreate
	Maxelem  uint32 // of OpCreate
}

func (s Step) String() string {
	switch s.Op {
	case OpCreate:
		return fmt.Sprintf("create %s hash:net hashsize %d maxelem %d counters", s.Set, s.Hashsize, s.Maxelem)
	case OpAdd:
		return fmt.Sprintf("add %d entries to %s", s.Entries, s.Set)
	case OpCount:
		return fmt.Sprintf("read back that %s has %d entries", s.Set, s.Entries)
	case OpSwap:
		return fmt.Sprintf("swap %s and %s", s.Set, s.Other)
	case OpRename:
		return fmt.Sprintf("rename %s to %s", s.Set, s.Other)
	}
	return fmt.Sprintf("%s %s", s.Op, s.Set)
}

// InUseError is a set that cannot be taken away because something refers to it:
// one of ours that is to be removed, or a foreign one of our name and another
// type that is to be replaced. (A swap would do, but only within one type.)
type InUseError struct {
	Header Header
	Want   cidr.Family
	Users  []string // what refers to it, filled in by whoever can tell
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

// Remedy says what to do about it.
func (e *InUseError) Remedy() string {
	return "take out what uses it and run again, or choose another name with \"set:\""
}

// IsOurs reports whether a set is of the type and family that we make; a set of
// our name that is not was made by somebody else.
func IsOurs(h Header, family cidr.Family) bool {
	return h.Type == TypeHashNet && h.Family == family
}

// LooksLikeList reports whether a set has all that sets of lists have which we make. Others
// may make such a set too.
func LooksLikeList(h Header) bool {
	return h.Type == TypeHashNet && h.Counters && !h.Timeout && !h.Comment && !h.Forceadd && !h.Skbinfo &&
		h.Maxelem >= maxelemDefault && h.Maxelem == powerOfTwo(int(h.Maxelem))
}

// NewPlan compares the desired entries of the set called name with live, the
// set of that name, which is nil if there is none.
func NewPlan(name string, family cidr.Family, desired cidr.Set, live *Live) (*Plan, error) {
	p := &Plan{Name: name, Family: family, entries: desired, Added: desired.Len()}
	temp := TempName(name)
	build := []Step{
		{Op: OpCreate, Set: temp, Hashsize: hashsize(desired.Len()), Maxelem: maxelem(desired.Len())},
		{Op: OpAdd, Set: temp, Entries: desired.Len()},
		{Op: OpCount, Set: temp, Entries: desired.Len()},
	}
	if live == nil {
		p.Build, p.Switch = build, []Step{{Op: OpRename, Set: temp, Other: name}}
		return p, nil
	}
	p.Live = &live.Header
	if !IsOurs(live.Header, family) {
		if live.References > 0 {
			return nil, &InUseError{Header: live.Header, Want: family}
		}
		p.Why = fmt.Sprintf("it was a %s of %s", live.Type, live.Family)
		p.Removed = int(live.Elements)
		p.Build, p.Switch = build, []Step{{Op: OpDestroy, Set: name}, {Op: OpRename, Set: temp, Other: name}}
		return p, nil
	}
	p.Kept, p.Added, p.Removed = diff(desired, live.Prefixes)
	p.Why = foreign(live, maxelem(desired.Len()))
	if p.Added == 0 && p.Removed == 0 && p.Why == "" {
		return p, nil
	}
	p.counts = carryCounts(desired, live.Counts)
	p.Build, p.Switch, p.Clean = build, []Step{{Op: OpSwap, Set: temp, Other: name}}, []Step{{Op: OpDestroy, Set: temp}}
	return p, nil
}

// Entries is what the set will hold.
func (p *Plan) Entries() cidr.Set { return p.entries }

// Unchanged reports whether there is nothing to do.
func (p *Plan) Unchanged() bool { return len(p.Build) == 0 }

// hashsize is the number of buckets: the power of two at or above half of the
// entries, with which the kernel need not rehash while it is filled (measured:
// 15 ms for 71,642 entries, 80 to 97 ms from the default on).
func hashsize(entries int) uint32 {
	return max(hashsizeMin, powerOfTwo((entries+1)/2))
}

func maxelem(entries int) uint32 {
	return max(maxelemDefault, powerOfTwo(entries))
}

// powerOfTwo is the smallest at or above n.
func powerOfTwo(n int) uint32 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len32(uint32(n-1))
}

// diff counts what two sorted lists have in common. live may repeat an entry
// if the kernel rehashed it during the dump.
func diff(desired cidr.Set, live []cidr.Prefix) (kept, added, removed int) {
	i := 0
	for j, p := range live {
		if j > 0 && p == live[j-1] {
			continue
		}
		for i < desired.Len() && desired.At(i).Compare(p) < 0 {
			i++
			added++
		}
		if i < desired.Len() && desired.At(i) == p {
			i++
			kept++
		} else {
			removed++
		}
	}
	return kept, added + desired.Len() - i, removed
}

// foreign says what makes a hash:net of the right family not one of ours.
func foreign(live *Live, maxelem uint32) string {
	switch {
	case live.NoMatch > 0:
		return fmt.Sprintf("%d of its entries were exceptions (nomatch)", live.NoMatch)
	case live.Timeout:
		return "its entries could expire"
	case !live.Counters:
		return "it had no counters"
	case live.Forceadd:
		return "it dropped entries when full (forceadd)"
	case live.Comment || live.Skbinfo:
		return "it had extensions that are not ours"
	case live.Maxelem != maxelem:
		return fmt.Sprintf("its maxelem was %d, not %d", live.Maxelem, maxelem)
	}
	return ""
}

// carryCounts gives the counts of the live set to the desired entries, so that
// they survive the swap. An entry that has been joined into a wider one brings
// its counts along.
func carryCounts(desired cidr.Set, counts []Count) []Count {
	var carried []Count
	for _, c := range counts {
		i, ok := desired.Index(c.Prefix)
		if !ok {
			continue
		}
		c.Prefix = desired.At(i)
		if n := len(carried); n > 0 && carried[n-1].Prefix == c.Prefix {
			carried[n-1].Packets += c.Packets
			carried[n-1].Bytes += c.Bytes
			continue
		}
		carried = append(carried, c)
	}
	return slices.Clip(carried)
}
