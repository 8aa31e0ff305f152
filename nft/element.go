package nft

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// Element is a range of keys of a set and, in a verdict map, their verdict.
type Element struct {
	First, Last []byte // both included; in a concatenation, for each field
	Verdict     *Verdict
}

// Same reports whether two are the same element of a set.
func (e Element) Same(o Element) bool {
	return bytes.Equal(e.First, o.First) && bytes.Equal(e.Last, o.Last)
}

// rawElement is an element as the kernel sends it.
type rawElement struct {
	key, keyEnd []byte
	ends        bool // the key is the first one after an interval
	rest        bool // it stands for all keys that no other element has
	verdict     *Verdict
}

// setElements sets the elements from what the kernel sent, in any order.
func (s *Set) setElements(raw []rawElement) {
	s.Read = true
	raw = slices.DeleteFunc(raw, func(e rawElement) bool {
		if e.rest {
			s.Rest = &Element{Verdict: e.verdict}
		}
		return e.rest || len(e.key) == 0
	})
	if s.Concat || !s.Interval {
		for _, e := range raw {
			last := e.key
			if e.keyEnd != nil {
				last = e.keyEnd
			}
			s.Elements = append(s.Elements, Element{e.key, last, e.verdict})
		}
		if !s.Concat {
			slices.SortFunc(s.Elements, func(a, b Element) int { return bytes.Compare(a.First, b.First) })
		}
		return
	}
	slices.SortFunc(raw, func(a, b rawElement) int {
		return cmp.Or(bytes.Compare(a.key, b.key), boolInt(b.ends)-boolInt(a.ends)) // an end first
	})
	var open *rawElement
	closeAt := func(last []byte) {
		if open != nil && last != nil && bytes.Compare(open.key, last) <= 0 {
			s.Elements = append(s.Elements, Element{open.key, last, open.verdict})
		}
		open = nil
	}
	for i := range raw {
		switch e := &raw[i]; {
		case e.ends:
			closeAt(before(e.key))
		default:
			closeAt(before(e.key)) // the interval before it ends where this one begins
			open = e
		}
	}
	closeAt(bytes.Repeat([]byte{0xff}, s.KeyLength))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// before returns the key before one, or nil if that is the first.
func before(key []byte) []byte {
	k := slices.Clone(key)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]--
		if k[i] != 0xff {
			return k
		}
	}
	return nil
}

// Len returns how many elements there are, if they were read.
func (s *Set) Len() int { return len(s.Elements) }

// Find returns the elements of a set of one field that contain some of the keys from first to
// last, and whether they contain all of them. The time is logarithmic in the set's size, plus
// what it finds.
func (s *Set) Find(first, last []byte) (found []Element, all bool) {
	i := sort.Search(len(s.Elements), func(i int) bool { return bytes.Compare(s.Elements[i].Last, first) >= 0 })
	next := first
	all = true
	for ; i < len(s.Elements) && bytes.Compare(s.Elements[i].First, last) <= 0; i++ {
		e := s.Elements[i]
		if bytes.Compare(e.First, next) > 0 {
			all = false
		}
		next = after(e.Last)
		found = append(found, e)
		if next == nil {
			return found, all
		}
	}
	return found, all && len(found) > 0 && bytes.Compare(next, last) > 0
}

// after returns the key after one, or nil if that is the last.
func after(key []byte) []byte {
	k := slices.Clone(key)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]++
		if k[i] != 0 {
			return k
		}
	}
	return nil
}

// Ranges returns the elements of a set without their verdicts.
func (s *Set) Ranges() []Range {
	var all []Range
	for _, e := range s.Elements {
		all = append(all, Range{e.First, e.Last})
	}
	return all
}

// All returns the elements of a set, with the one for all other keys, if there is one.
func (s *Set) All() []Element {
	if s == nil {
		return nil
	}
	if s.Rest != nil {
		return append(slices.Clone(s.Elements), *s.Rest)
	}
	return s.Elements
}
