package nft

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
)

// compare adds the match that a comparison makes.
func (r *ruleReader) compare(op expr.CmpOp, l load, data []byte) {
	full := lengths[l.field]
	if full == 0 || len(data) == 0 || len(data) > full || l.length > full {
		r.match(Match{Fields: []Field{l.name()}})
		return
	}
	if l.field == NFProto || l.field == EtherType {
		r.is6 = op == expr.CmpOpEq && (data[0] == NFProtoV6 || len(data) == 2 && binary.BigEndian.Uint16(data) == EtherIPv6)
	}
	first, last := Fill(data, full, 0), Fill(data, full, 0xff) // the rest of a name or an address can be anything
	lowest, highest := bytes.Repeat([]byte{0}, full), bytes.Repeat([]byte{0xff}, full)
	m := Match{Fields: []Field{l.field}, Not: op == expr.CmpOpNeq}
	switch op {
	case expr.CmpOpEq, expr.CmpOpNeq:
		if l.mask == nil {
			m.Ranges = []Range{{first, last}}
			break
		}
		if bits, ok := prefixBits(l.mask); ok && l.field.IsAddress() && len(l.mask) == full {
			m.Ranges = []Range{{first, LastOf(first, bits)}}
			break
		}
		m.Ranges, m.Mask = []Range{{first, first}}, Fill(l.mask, full, 0)
	case expr.CmpOpLt:
		m.Ranges = rangeTo(lowest, before(first))
	case expr.CmpOpLte:
		m.Ranges = rangeTo(lowest, last)
	case expr.CmpOpGt:
		m.Ranges = rangeTo(after(last), highest)
	case expr.CmpOpGte:
		m.Ranges = rangeTo(first, highest)
	}
	if m.Ranges == nil || l.mask != nil && op != expr.CmpOpEq && op != expr.CmpOpNeq {
		m = Match{Fields: []Field{l.name()}}
	}
	r.match(m)
}

// name returns the loaded field, with a word for what is not understood of it.
func (l load) name() Field {
	if l.field == "" {
		return "something"
	}
	return l.field
}

// match adds a match. A match without values is not understood.
func (r *ruleReader) match(m Match) {
	if m.Set == "" && m.Ranges == nil {
		r.unknown(string(m.Fields[0]))
		return
	}
	if n := len(r.steps); n > 0 && r.steps[n-1].Match != nil && r.steps[n-1].Match.within(m) {
		return
	}
	r.add(Step{Match: &m})
}

// within combines two matches of the same field, as nft writes a range: one for its start, one for
// its end. It reports whether it could.
func (m *Match) within(other Match) bool {
	for _, each := range []*Match{m, &other} {
		if each.Not || each.Mask != nil || len(each.Ranges) != 1 || each.Fields[0] != m.Fields[0] {
			return false
		}
	}
	a, b := m.Ranges[0], other.Ranges[0]
	if bytes.Compare(b.First, a.First) > 0 {
		a.First = b.First
	}
	if bytes.Compare(b.Last, a.Last) < 0 {
		a.Last = b.Last
	}
	if bytes.Compare(a.First, a.Last) > 0 {
		return false
	}
	m.Ranges[0] = a
	return true
}

func rangeTo(first, last []byte) []Range {
	if first == nil || last == nil {
		return nil
	}
	return []Range{{first, last}}
}

// Fill pads data to the length of a field.
func Fill(data []byte, length int, with byte) []byte {
	return append(slices.Clone(data), bytes.Repeat([]byte{with}, max(0, length-len(data)))...)
}

// prefixBits counts the leading ones of a mask; ok is false if it has others.
func prefixBits(mask []byte) (bits int, ok bool) {
	for i, b := range mask {
		for bit := 7; bit >= 0; bit-- {
			one := b>>bit&1 == 1
			if one && bits != i*8+7-bit {
				return 0, false
			}
			if one {
				bits++
			}
		}
	}
	return bits, true
}

// LastOf returns the last address of a prefix.
func LastOf(first []byte, bits int) []byte {
	last := slices.Clone(first)
	for i := range last {
		if free := (i+1)*8 - bits; free > 0 {
			last[i] |= byte(1<<min(free, 8) - 1)
		}
	}
	return last
}

func (r *ruleReader) between(e *expr.Range) {
	l := r.get(e.Register)
	if full := lengths[l.field]; full == 0 || l.mask != nil || len(e.FromData) != full || len(e.ToData) != full {
		r.unknown(string(l.name()))
		return
	}
	r.match(Match{Fields: []Field{l.field}, Not: e.Op == expr.CmpOpNeq, Ranges: []Range{{e.FromData, e.ToData}}})
}
