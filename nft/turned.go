package nft

import "slices"

// Turned returns the rules that answers go through, with both ends swapped.
func (r *Ruleset) Turned() *Ruleset {
	if r.back != nil {
		return r.back
	}
	back := &Ruleset{Generation: r.Generation, Misread: r.Misread, Tables: slices.Clone(r.Tables), devices: r.devices}
	for i := range back.Tables {
		t := &back.Tables[i]
		t.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(c Chain) bool { return c.Type == "nat" }) // answers do not go through these
		for j := range t.Chains {
			c := &t.Chains[j]
			c.Rules = slices.Clone(c.Rules)
			for k := range c.Rules {
				c.Rules[k].Steps = slices.Clone(c.Rules[k].Steps)
				for l := range c.Rules[k].Steps {
					c.Rules[k].Steps[l].turn()
				}
			}
		}
		t.index()
	}
	r.back = back
	return back
}

func (s *Step) turn() {
	switch {
	case s.Match != nil:
		m := *s.Match
		m.Fields = turnedFields(m.Fields)
		s.Match = &m
	case s.Map != nil:
		m := *s.Map
		m.Fields = turnedFields(m.Fields)
		s.Map = &m
	case s.Add != nil:
		a := *s.Add
		a.Fields = turnedFields(a.Fields)
		s.Add = &a
	}
}

func turnedFields(fields []Field) []Field {
	back := slices.Clone(fields)
	for i, f := range back {
		back[i] = f.otherEnd()
	}
	return back
}

// otherEnd returns the same field of the other end of a connection.
func (f Field) otherEnd() Field {
	for _, e := range [][2]Field{{Saddr4, Daddr4}, {Saddr6, Daddr6}, {Sport, Dport}, {IIF, OIF}, {IIFName, OIFName}} {
		switch f {
		case e[0]:
			return e[1]
		case e[1]:
			return e[0]
		}
	}
	if f == DaddrType {
		return "fib daddr type of an answer"
	}
	return f
}
