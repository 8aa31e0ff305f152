package nft

import (
	"bytes"
	"net/netip"
	"slices"
)

// Prefixes returns the members of a set of addresses, if they were read.
func (s *Set) Prefixes() []netip.Prefix {
	var all []netip.Prefix
	if s == nil || s.Concat {
		return nil
	}
	for _, e := range s.Elements {
		all = append(all, prefixes(e.First, e.Last)...)
	}
	return all
}

// prefixes returns the fewest prefixes that make up the addresses from first to last.
func prefixes(first, last []byte) (all []netip.Prefix) {
	for first != nil && bytes.Compare(first, last) <= 0 {
		a, ok := netip.AddrFromSlice(first)
		if !ok || len(first) != len(last) {
			return all
		}
		bits := a.BitLen()
		for bits > 0 && netip.PrefixFrom(a, bits-1).Masked().Addr() == a && bytes.Compare(LastOf(first, bits-1), last) <= 0 {
			bits--
		}
		all = append(all, netip.PrefixFrom(a, bits))
		first = after(LastOf(first, bits))
	}
	return all
}

// SourceJump is a rule that sends packets from a network to a chain.
type SourceJump struct {
	From  netip.Prefix
	Chain string
}

// SourceJumps returns the rules of a chain that match only the source and go to another chain.
func (t *Table) SourceJumps(chain string) (all []SourceJump) {
	c := t.Chain(chain)
	if c == nil {
		return nil
	}
	for _, r := range c.Rules {
		var to string
		var from []netip.Prefix
		plain := true
		for _, s := range r.Steps {
			switch {
			case s.Verdict != nil && (s.Verdict.Kind == Jump || s.Verdict.Kind == Goto):
				to = s.Verdict.Chain
			case s.Match != nil && (s.Match.Fields[0] == NFProto || s.Match.Fields[0] == EtherType):
			case s.Match != nil && len(s.Match.Fields) == 1 && s.Match.Fields[0].IsSource() && !s.Match.Not && s.Match.Mask == nil:
				if from = t.Sets[s.Match.Set].Prefixes(); s.Match.Set == "" {
					for _, rg := range s.Match.Ranges {
						from = append(from, prefixes(rg.First, rg.Last)...)
					}
				}
			case s.Note == "":
				plain = false
			}
		}
		for _, p := range from {
			if plain && to != "" {
				all = append(all, SourceJump{p, to})
			}
		}
	}
	return all
}

// PrefixOf returns the prefix from one address to another, invalid if they do not make one.
func PrefixOf(first, last []byte) netip.Prefix {
	a, ok := netip.AddrFromSlice(first)
	if !ok || len(first) != len(last) {
		return netip.Prefix{}
	}
	mask := make([]byte, len(first))
	for i := range mask {
		mask[i] = ^(first[i] ^ last[i])
	}
	bits, ok := prefixBits(mask)
	p := netip.PrefixFrom(a, bits)
	if !ok || p.Masked().Addr() != a || !slices.Equal(LastOf(first, bits), last) {
		return netip.Prefix{}
	}
	return p
}
