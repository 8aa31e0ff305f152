package nft

import (
	"bytes"
	"fmt"
	"net"
	"slices"
)

// OtherInterface stands for all interfaces that no rule names.
const OtherInterface = "(other)"

// maxInterfaces is how many interfaces are told apart.
const maxInterfaces = 16

// nameDevices looks up the names of devices that rules refer to by number ("iif").
func (r *Ruleset) nameDevices() error {
	var asked []*Match
	for i := range r.Tables {
		t := &r.Tables[i]
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				for _, s := range rule.Steps {
					if s.Match != nil && len(t.ValuesOf(s, IIF))+len(t.ValuesOf(s, OIF)) > 0 {
						asked = append(asked, s.Match)
					}
				}
			}
		}
	}
	if asked == nil {
		return nil
	}
	devices, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("read the interfaces that rules of nftables name: %w", err)
	}
	r.devices = make(map[string]int)
	for _, d := range devices {
		r.devices[d.Name] = d.Index
		for _, m := range asked {
			if (m.Fields[0] == IIF || m.Fields[0] == OIF) && m.Set == "" && len(m.Ranges) == 1 && bytes.Equal(m.Ranges[0].First, Native32(uint32(d.Index))) && bytes.Equal(m.Ranges[0].First, m.Ranges[0].Last) {
				m.Device = d.Name
			}
		}
	}
	return nil
}

// Device returns the number of a device, 0 if no rule asks for one or there is none.
func (r *Ruleset) Device(name string) int { return r.devices[name] }

// deviceOf returns the name of a device by its number, or "" if there is none.
func (r *Ruleset) deviceOf(index []byte) string {
	for name, of := range r.devices {
		if bytes.Equal(index, Native32(uint32(of))) {
			return name
		}
	}
	return ""
}

// Interfaces returns the interfaces by which rules tell incoming packets apart, and one that
// stands for all others. If there are too many, it returns one that stands for an unknown one.
func (r *Ruleset) Interfaces() []string {
	names := []string{OtherInterface}
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
					ranges := t.ValuesOf(s, IIFName)
					for _, rg := range t.ValuesOf(s, IIF) {
						if name := r.deviceOf(rg.First); name != "" {
							full := Fill([]byte(name), lengths[IIFName], 0)
							ranges = append(ranges, Range{full, full})
						}
					}
					for _, rg := range ranges {
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

// ValuesOf returns the values of a field that a step tells apart.
func (t *Table) ValuesOf(s Step, f Field) []Range {
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

// valuesOf returns the values of one of the fields of a set's keys.
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
		for _, e := range s.Elements {
			if end := begin + length; end <= len(e.First) && end <= len(e.Last) {
				all = append(all, Range{e.First[begin:end], e.Last[begin:end]})
			}
		}
		return all
	}
	return nil
}

// AsksForWay reports whether rules tell packets apart by incoming interface or by the address that
// they are for.
func (r *Ruleset) AsksForWay() bool {
	for i := range r.Tables {
		t := &r.Tables[i]
		for _, c := range t.Chains {
			if len(c.Devices) > 0 {
				return true
			}
			asked := []Field{IIF, IIFName, OIF, OIFName, Daddr4, Daddr6}
			if c.Hook == Output || c.Hook == Postrouting || c.Hook == Egress {
				asked = append(asked, Saddr4, Saddr6)
			}
			for _, rule := range c.Rules {
				for _, s := range rule.Steps {
					for _, f := range asked {
						if ranges := t.ValuesOf(s, f); len(ranges) > 0 && !OnlyLoopback(f, ranges) {
							return true
						}
					}
				}
			}
		}
	}
	return false
}
