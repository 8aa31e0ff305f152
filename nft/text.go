package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// String returns a rule nearly as nft writes it, with "(…)" for what is not understood.
func (r Rule) String() string {
	var words []string
	proto := ""
	for i, s := range r.Steps {
		switch {
		case s.Match != nil:
			m := s.Match
			if implied(r.Steps, i) {
				if p := ProtoName(m.Ranges[0].First[0]); m.Fields[0] == L4Proto && p != "" {
					proto = p
				}
				continue
			}
			words = append(words, m.text(proto))
		case s.Map != nil:
			words = append(words, fieldsText(s.Map.Fields, proto)+" vmap "+setText(s.Map.Set))
		case s.Verdict != nil:
			words = append(words, strings.TrimSpace(string(s.Verdict.Kind)+" "+s.Verdict.Chain))
		case s.Mark != nil:
			words = append(words, "meta mark set "+markText(s.Mark.Value))
		case s.Track == Untracked:
			words = append(words, "notrack")
		case s.Track == Templated:
			words = append(words, "ct set")
		case s.Add != nil && s.Add.Removes:
			words = append(words, "delete @"+s.Add.Set)
		case s.Add != nil:
			words = append(words, "update @"+s.Add.Set)
		case s.NAT != nil && s.NAT.Local:
			words = append(words, "redirect")
		case s.NAT != nil && !s.NAT.To.IsValid():
			words = append(words, "dnat to …")
		case s.NAT != nil:
			words = append(words, "dnat to "+s.NAT.To.String())
		case s.Unknown != "":
			words = append(words, "("+s.Unknown+")")
		case s.Note != "":
			words = append(words, s.Note)
		}
	}
	return strings.Join(words, " ")
}

// implied reports whether a match only states what a later one requires: the kind of IP of an
// address, the protocol of a port.
func implied(steps []Step, i int) bool {
	m := steps[i].Match
	if m.Not || len(m.Ranges) != 1 || m.Mask != nil {
		return false
	}
	needs := func(f Field) bool {
		switch m.Fields[0] {
		case NFProto, EtherType:
			return f.IsAddress()
		case L4Proto:
			return f.isPort() && ProtoName(m.Ranges[0].First[0]) != ""
		}
		return false
	}
	return slices.ContainsFunc(steps[i+1:], func(s Step) bool {
		return s.Match != nil && slices.ContainsFunc(s.Match.Fields, needs) || s.Map != nil && slices.ContainsFunc(s.Map.Fields, needs)
	})
}

func fieldsText(fields []Field, proto string) string {
	var words []string
	for _, f := range fields {
		if f.isPort() && proto != "" {
			f = Field(proto + strings.TrimPrefix(string(f), "th"))
		}
		words = append(words, string(f))
	}
	return strings.Join(words, " . ")
}

// setText returns the name of a set. The kernel names sets without a name, such as __set0.
func setText(name string) string {
	if strings.HasPrefix(name, "__") {
		return "{…}"
	}
	return "@" + name
}

func (m *Match) text(proto string) string {
	not := ""
	if m.Not {
		not = "!= "
	}
	name := fieldsText(m.Fields, proto)
	if m.Set != "" {
		return name + " " + not + setText(m.Set)
	}
	var values []string
	for _, r := range m.Ranges {
		values = append(values, valueText(m.Fields[0], r))
	}
	if m.Device != "" {
		values = []string{strconv.Quote(m.Device)}
	}
	if m.Mask != nil {
		if t := stateText(m); t != "" {
			return name + " " + t
		}
		return fmt.Sprintf("%s and 0x%x %s%s", name, m.Fields[0].written(m.Mask), not, strings.Join(values, ", "))
	}
	return name + " " + not + strings.Join(values, ", ")
}

// stateText writes "ct state established,related", which matches if any of these bits is set.
func stateText(m *Match) string {
	if m.Fields[0] != CTState || !m.Not || len(m.Mask) != 4 || !bytes.Equal(m.Ranges[0].First, make([]byte, 4)) {
		return ""
	}
	return stateNames(binary.NativeEndian.Uint32(m.Mask))
}

func stateNames(bits uint32) string {
	var names []string
	for bit, name := range map[uint32]string{CTStateInvalid: "invalid", 2: "established", 4: "related", CTStateNew: "new", CTStateUntracked: "untracked"} {
		if bits&bit != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// markText returns a mark as nft writes it; nil is for an unknown one.
func markText(value []byte) string {
	if value == nil {
		return "…"
	}
	return fmt.Sprintf("0x%x", MarkField.written(value))
}

// written returns a field's value in the order in which it is written. The kernel stores some
// numbers in the byte order of this machine.
func (f Field) written(value []byte) []byte {
	if len(value) != 4 || !slices.Contains([]Field{IIF, OIF, CTState, CTStatus, MarkField, DaddrType}, f) {
		return value
	}
	return binary.BigEndian.AppendUint32(nil, binary.NativeEndian.Uint32(value))
}

func valueText(f Field, r Range) string {
	switch {
	case f.IsAddress():
		if p := PrefixOf(r.First, r.Last); p.IsValid() {
			return strings.TrimSuffix(p.String(), fmt.Sprintf("/%d", p.Addr().BitLen()))
		}
		first, _ := netip.AddrFromSlice(r.First)
		last, _ := netip.AddrFromSlice(r.Last)
		return first.String() + "-" + last.String()
	case f.isPort():
		first, last := binary.BigEndian.Uint16(r.First), binary.BigEndian.Uint16(r.Last)
		if first == last {
			return fmt.Sprint(first)
		}
		return fmt.Sprintf("%d-%d", first, last)
	case f == IIFName || f == OIFName:
		name, _, _ := bytes.Cut(r.First, []byte{0})
		if !bytes.Equal(r.First, r.Last) {
			return fmt.Sprintf("\"%s*\"", name)
		}
		return fmt.Sprintf("%q", name)
	case f == L4Proto:
		if name := (map[byte]string{1: "icmp", ProtoTCP: "tcp", ProtoUDP: "udp", 58: "ipv6-icmp"})[r.First[0]]; name != "" && bytes.Equal(r.First, r.Last) {
			return name
		}
	case f == NFProto:
		return map[byte]string{NFProtoV4: "ipv4", NFProtoV6: "ipv6"}[r.First[0]]
	case (f == IIF || f == OIF) && bytes.Equal(r.First, r.Last):
		return fmt.Sprint(binary.NativeEndian.Uint32(r.First))
	case f == CTState && bytes.Equal(r.First, r.Last):
		if names := stateNames(binary.NativeEndian.Uint32(r.First)); names != "" {
			return names
		}
	case f == DaddrType && bytes.Equal(r.First, Native32(RTNLocal)):
		return "local"
	}
	first, last := f.written(r.First), f.written(r.Last)
	if bytes.Equal(first, last) {
		return fmt.Sprintf("0x%x", first)
	}
	return fmt.Sprintf("0x%x-0x%x", first, last)
}
