package nft

import (
	"bytes"
	"slices"
)

const (
	maxInterfaces  = 16
	otherInterface = "(other)" // none that a rule names
)

// interfaces are those by which rules tell packets apart as they come in, and one that no
// rule names. With too many there is only one of which nothing is known.
func (r *Ruleset) interfaces() []string {
	names := []string{otherInterface}
	add := func(rg Range) {
		name, _, _ := bytes.Cut(rg.First, []byte{0})
		if !bytes.Equal(rg.First, rg.Last) {
			name = append(slices.Clone(name), '0') // such as ppp0
		}
		if n := string(name); n != "lo" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				for _, s := range rule.Steps {
					for _, rg := range t.valuesOf(s, IIFName) {
						if add(rg); len(names) > maxInterfaces {
							return []string{""}
						}
					}
				}
			}
		}
	}
	return names
}

// valuesOf are the values of a field that a step tells apart.
func (t *Table) valuesOf(s Step, f Field) []Range {
	switch {
	case s.Match != nil && s.Match.Fields[0] == f && s.Match.Set == "":
		return s.Match.Ranges
	case s.Match != nil && t.Sets[s.Match.Set] != nil:
		return t.Sets[s.Match.Set].valuesOf(s.Match.Fields, f)
	case s.Map != nil && t.Sets[s.Map.Set] != nil:
		return t.Sets[s.Map.Set].valuesOf(s.Map.Fields, f)
	}
	return nil
}

// valuesOf are the values of one of the fields of a set's keys.
func (s *Set) valuesOf(fields []Field, f Field) (all []Range) {
	begin := 0
	for i, field := range fields {
		length := lengths[field]
		if field != f {
			if length == 0 && i < len(fields)-1 {
				return nil
			}
			begin += (length + 3) / 4 * 4
			continue
		}
		for _, e := range s.elements {
			if end := begin + length; end <= len(e.first) && end <= len(e.last) {
				all = append(all, Range{e.first[begin:end], e.last[begin:end]})
			}
		}
		return all
	}
	return nil
}
