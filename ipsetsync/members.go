package ipsetsync

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// Members has the source addresses in a set of any type. Look and Ask tell which
// addresses are in it.
type Members struct {
	Header
	Sets []string // of a list:set, in its order

	prefixes []cidr.Prefix            // sorted
	pieces   []cidr.Prefix            // what the kernel holds, if [Members.Join] made less of it
	lengths  [2][]uint8               // of the prefixes and exceptions, the longest first
	except   map[cidr.Prefix]bool     // entries with nomatch
	counts   map[cidr.Prefix]Count    // of entries that have counted anything
	limits   map[cidr.Prefix][]string // further conditions of entries, such as "tcp 5060"
}

// Share is how much of some addresses is in a set.
type Share int

const (
	NoneOf  Share = iota
	SomeOf        // some addresses
	AllOf         // all of them
	Unknown       // not known: the set is not one of addresses
)

// Membership says how much of some addresses is in a set.
type Membership struct {
	Share  Share
	Entry  cidr.Prefix // the entry that contains all of them, or the first that contains some
	Inside int         // number of entries that contain some, if none contains all
	Count  Count       // the counts of Entry
	Limits []string    // the packets that match, such as "udp 5060"; empty for all packets
}

// addressed reports whether the entries of a set type begin with an address, which a rule
// compares with the packet's source by "src".
func addressed(typ string) bool {
	_, dimensions, _ := strings.Cut(typ, ":")
	first, _, _ := strings.Cut(dimensions, ",")
	return first == "ip" || first == "net"
}

// IsList reports whether the set is a list:set.
func (m *Members) IsList() bool { return m.Type == typeListSet }

// Members reads a set of any type.
func (k *Kernel) Members(name string) (*Members, error) {
	var m *Members
	live, err := k.list("list", name, listRequest(name), listing{
		entries: true,
		raw:     func(live *Live, data []byte) error { return m.add(live.Header, data) },
		again: func() {
			m = &Members{except: make(map[cidr.Prefix]bool), counts: make(map[cidr.Prefix]Count), limits: make(map[cidr.Prefix][]string)}
		},
	})
	if err != nil {
		return nil, err
	}
	m.Header, m.Sets = live.Header, live.Sets
	cidr.Sort(m.prefixes)
	m.noteLengths()
	return m, nil
}

func (m *Members) add(h Header, data []byte) error {
	if !addressed(h.Type) {
		return nil
	}
	e, err := decodeEntry(h.Family, data)
	if err != nil {
		return err
	}
	p := e.count.Prefix
	if h.Netmask > 0 {
		p = p.Widen(h.Netmask)
	}
	if e.nomatch {
		m.except[p] = true
		return nil
	}
	m.prefixes = append(m.prefixes, p)
	if e.count.Packets != 0 || e.count.Bytes != 0 {
		m.counts[p] = Count{p, e.count.Packets, e.count.Bytes}
	}
	if strings.Contains(h.Type, ",") {
		limit, err := decodeLimit(data)
		if err != nil {
			return err
		}
		m.limits[p] = append(m.limits[p], limit)
	}
	return nil
}

// decodeLimit reads the conditions of an entry other than the source address.
func decodeLimit(data []byte) (string, error) {
	var words []string
	for a, err := range attributes(data) {
		if err != nil {
			return "", err
		}
		switch {
		case a.typ == attrProto && len(a.value) == 1:
			words = append(words, protocolName(a.value[0]))
		case a.typ == attrPort && len(a.value) == 2:
			words = append(words, fmt.Sprint(binary.BigEndian.Uint16(a.value)))
		case a.typ == attrIface:
			words = append(words, "on "+a.str())
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { // protocol first
		return strings.Compare(b[:1], a[:1])
	})
	if len(words) == 0 {
		return "more than the source", nil
	}
	return strings.Join(words, " "), nil
}

func protocolName(number uint8) string {
	switch number {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	}
	return fmt.Sprintf("protocol %d", number)
}

// noteLengths notes the lengths that occur.
func (m *Members) noteLengths() {
	m.lengths = [2][]uint8{}
	var seen [2][129]bool
	for _, p := range m.prefixes {
		seen[p.Family()][p.Bits()] = true
	}
	for p := range m.except {
		seen[p.Family()][p.Bits()] = true
	}
	for f := range seen {
		for bits := 128; bits >= 0; bits-- {
			if seen[f][bits] {
				m.lengths[f] = append(m.lengths[f], uint8(bits))
			}
		}
	}
}

// Exceptions returns what a rule with "--return-nomatch" matches in the set: its exceptions
// become members, and its members exceptions. A type without networks has no exceptions;
// such a rule matches its members as usual (ip_set_test).
func (m *Members) Exceptions() *Members {
	if !strings.Contains(m.Type, "net") {
		return m
	}
	of := &Members{Header: m.Header, Sets: m.Sets, lengths: m.lengths, except: make(map[cidr.Prefix]bool)}
	for p := range m.except {
		of.prefixes = append(of.prefixes, p)
	}
	cidr.Sort(of.prefixes)
	for _, p := range m.prefixes {
		of.except[p] = true
	}
	return of
}

// Look returns how much of the addresses p is in the set. For a list:set, look in its
// members instead.
func (m *Members) Look(p cidr.Prefix) Membership {
	if !addressed(m.Type) {
		return Membership{Share: Unknown}
	}
	if p.Family() != m.Family {
		return Membership{}
	}
	inside := m.within(p)
	for _, bits := range m.lengths[p.Family()] { // the kernel probes the longest first
		if bits > p.Bits() {
			continue
		}
		wider := p.Widen(bits)
		if m.except[wider] {
			break
		}
		if _, found := slices.BinarySearchFunc(m.prefixes, wider, cidr.Prefix.Compare); found {
			found := Membership{Share: AllOf, Entry: wider, Count: m.counts[wider], Limits: m.limitsOf(p)}
			if m.excepts(p) {
				found.Share = SomeOf
			}
			return found
		}
	}
	if len(inside) == 0 {
		return Membership{}
	}
	return Membership{Share: SomeOf, Entry: inside[0], Inside: len(inside), Count: m.counts[inside[0]], Limits: m.limits[inside[0]]}
}

// limitsOf returns the conditions of all entries that contain all of p: the kernel probes
// all lengths.
func (m *Members) limitsOf(p cidr.Prefix) (all []string) {
	if len(m.limits) == 0 {
		return nil
	}
	for _, bits := range m.lengths[p.Family()] {
		if bits <= p.Bits() {
			all = append(all, m.limits[p.Widen(bits)]...)
		}
	}
	return all
}

// within returns the entries inside p, which are all narrower than p.
func (m *Members) within(p cidr.Prefix) []cidr.Prefix {
	first, _ := slices.BinarySearchFunc(m.prefixes, p, cidr.Prefix.Compare)
	last := first
	for last < len(m.prefixes) && p.Contains(m.prefixes[last]) {
		last++
	}
	if first < last && m.prefixes[first] == p {
		first++
	}
	return m.prefixes[first:last]
}

// excepts reports whether some addresses of p are exceptions.
func (m *Members) excepts(p cidr.Prefix) bool {
	for e := range m.except {
		if p.Contains(e) {
			return true
		}
	}
	return false
}
