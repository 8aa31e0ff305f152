package iptwalk

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
)

// PortRange is the ports from First to Last, both included.
type PortRange = iptables.PortRange

// match is what a listed rule asks of a packet, as far as it can be compared with another rule. All
// packets of the rule are in the box; if it is exact, the rule matches all packets in the box.
type match struct {
	box
	exact  bool
	target string // a target or chain; empty to go on
	goTo   bool   // -g: packets that come back go to the caller
}

// box is a set of packets, bounded in each property that is compared.
type box struct {
	src, dst       netip.Prefix // zero: any
	in, out        string       // an interface, or the beginning of its name and "+"; empty: any
	proto          string       // empty: any
	notProto       string       // any but this; empty if there is a proto
	sports, dports []PortRange  // nil: any, also packets without ports, such as fragments
}

// readMatch reads a rule without "-A CHAIN". A negated address or interface, or a match that is not
// understood, makes the match inexact and leaves the box as wide as it was.
func readMatch(rule string) match { return readWords(iptables.Words(rule)) }

func readWords(all []string) match {
	m := match{exact: true}
	not := false
	for i := 0; i < len(all); i++ {
		next := func() string {
			if i+1 < len(all) {
				i++
				return all[i]
			}
			m.exact = false
			return ""
		}
		switch w := all[i]; w {
		case "!":
			not = true
			continue
		case "-j", "-g":
			m.goTo = w == "-g"
			m.target = next()
			return m // what follows are options of the target
		case "-s", "-d", "-i", "-o":
			m.end(w, next(), not)
		case "-p":
			if proto := next(); not {
				m.notProto = proto
			} else {
				m.proto = proto
			}
		case "--sport", "--sports":
			m.sports = m.ports(next(), not)
		case "--dport", "--dports":
			m.dports = m.ports(next(), not)
		case "--ports": // either of them; see [readEach]
			if ports := m.ports(next(), not); not {
				m.sports, m.dports = ports, ports
			} else {
				m.exact = false
			}
		case "--comment":
			next()
		case "-m":
			switch next() {
			case "tcp", "udp", "multiport", "comment": // their options are read below
			default:
				m.exact = false
			}
		default:
			m.exact = false
		}
		not = false
	}
	return m
}

// end reads a source or destination address.
func (m *match) end(option, value string, not bool) {
	switch {
	case not:
		m.exact = false
	case option == "-s":
		m.src = m.prefix(value)
	case option == "-d":
		m.dst = m.prefix(value)
	case option == "-i":
		m.in = value
	case option == "-o":
		m.out = value
	}
}

func (m *match) prefix(text string) netip.Prefix {
	p, err := netip.ParsePrefix(text)
	if err != nil { // such as a mask with holes
		m.exact = false
		return netip.Prefix{}
	}
	return p.Masked()
}

// ports reads "5060", "5060:5061" and lists of these, and joins ranges that touch. With not, it
// returns all other ports.
func (m *match) ports(text string, not bool) []PortRange {
	var ranges []PortRange
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || a > b {
			m.exact = false
			return nil
		}
		ranges = append(ranges, PortRange{First: uint16(a), Last: uint16(b)})
	}
	if !not {
		return portrange.Joined(ranges)
	}
	if ranges = portrange.Others(ranges); ranges == nil {
		m.exact = false // it matches nothing
	}
	return ranges
}

// everything reports whether a rule matches every packet.
func (m match) everything() bool { return m.exact && m.box.covers(box{}) }

// covers reports whether every packet of b is in a. It never guesses: false also means "perhaps".
func (a box) covers(b box) bool {
	return coversPrefix(a.src, b.src) && coversPrefix(a.dst, b.dst) &&
		coversInterface(a.in, b.in) && coversInterface(a.out, b.out) &&
		coversProto(a, b) &&
		coversPorts(a.sports, b.sports) && coversPorts(a.dports, b.dports)
}

func coversPrefix(a, b netip.Prefix) bool {
	return !a.IsValid() || b.IsValid() && a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

func coversInterface(a, b string) bool {
	begin, many := strings.CutSuffix(a, "+")
	return a == "" || a == b || many && strings.HasPrefix(b, begin)
}

func coversProto(a, b box) bool {
	return (a.proto == "" || a.proto == b.proto) &&
		(a.notProto == "" || a.notProto == b.notProto || b.proto != "" && a.notProto != b.proto)
}

func coversPorts(a, b []PortRange) bool {
	if a == nil || b == nil {
		return a == nil
	}
	for _, p := range b {
		if !slices.ContainsFunc(a, func(q PortRange) bool { return q.Covers(p) }) {
			return false
		}
	}
	return true
}

// within returns a box around the packets that are in both.
func (a box) within(b box) box {
	if coversPrefix(a.src, b.src) {
		a.src = b.src
	}
	if coversPrefix(a.dst, b.dst) {
		a.dst = b.dst
	}
	if coversInterface(a.in, b.in) {
		a.in = b.in
	}
	if coversInterface(a.out, b.out) {
		a.out = b.out
	}
	if coversProto(a, b) {
		a.proto, a.notProto = b.proto, b.notProto
	}
	if coversPorts(a.sports, b.sports) {
		a.sports = b.sports
	}
	if coversPorts(a.dports, b.dports) {
		a.dports = b.dports
	}
	return a
}
