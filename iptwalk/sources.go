package iptwalk

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Share says for how many of some packets a condition holds.
type Share int

const (
	NoneOf Share = iota
	SomeOf       // of some of the addresses
	AllOf
	Unknown // not known from outside, such as a limit
)

// both returns the share for which two conditions hold.
func (a Share) both(b Share) Share {
	switch {
	case a == NoneOf || b == NoneOf:
		return NoneOf
	case a == Unknown || b == Unknown:
		return Unknown
	case a == SomeOf || b == SomeOf:
		return SomeOf
	}
	return AllOf
}

func (a Share) negated() Share {
	switch a {
	case NoneOf:
		return AllOf
	case AllOf:
		return NoneOf
	}
	return a
}

// SetMember says what a set has of some addresses.
type SetMember struct {
	Share  Share
	Entry  netip.Prefix // the entry that contains them, if one is to be named
	Limits []string     // only for these packets, such as "udp 5060"; empty for all
	Set    string       // the member set that has them, if a list:set was asked
}

// asks is what a rule asks of the first packet of a connection, besides its box.
type asks struct {
	match
	text    string
	options []string // of the target
	states  []askedState
	notSrc  netip.Prefix
	notIn   string // not by this incoming interface
	notOut  string // and not by this outgoing one
	notDst  netip.Prefix
	sets    []askedSet
	ranges  []askedRange
	lists   []askedSet // of xt_recent
	foreign bool       // it asks for the source in an unknown way, such as by country
	marks   bool       // it asks for the mark of a packet
	local   bool       // it is only for packets to this host
	adds    []string   // sets that it changes, and lists of xt_recent with recentPrefix

	// What is known from its chain and table, for following packets.
	index   int    // in its chain
	line    string // as "-A CHAIN RULE"
	ours    bool   // it is voipbl's
	isChain bool   // its target is a chain
}

// SetMatch is what a rule asks of a set.
type SetMatch struct {
	Name string
	By   []string // the packet's addresses and ports, as "src", "dst"

	// Exceptions means that it asks for what the set names as exceptions, and not for its
	// members: "--return-nomatch", in a set of a type that has exceptions.
	Exceptions bool
}

type askedSet struct {
	SetMatch
	not bool
}

// recentPrefix tells lists of xt_recent from sets.
const recentPrefix = "recent "

type askedRange struct {
	first, last netip.Addr
	not         bool
}

// readEach reads a rule without "-A CHAIN" as one or more: "--ports", for either end, becomes a
// rule for the source ports and one for the destination ports. With back, both ends are swapped;
// see [turnRound].
func readEach(rule string, back bool) []asks {
	all := iptables.Words(rule)
	if back {
		all = turnRound(all)
	}
	i := slices.Index(all, "--ports")
	if i < 1 || all[i-1] == "!" || all[i-1] == "--comment" {
		return []asks{readAsks(rule, all)}
	}
	from := slices.Clone(all)
	all[i], from[i] = "--dports", "--sports"
	return []asks{readAsks(rule, all), readAsks(rule, from)}
}

// readAsks reads the words of a rule. The conditions that are not about the source stay in the
// match.
func readAsks(rule string, all []string) asks {
	a := asks{text: rule}
	var kept []string
	not, asked := false, false
	for i := 0; i < len(all); i++ {
		arg := func() string { return iptables.Next(all, i) }
		switch w := all[i]; w {
		case "-j", "-g":
			a.match, a.options = readWords(append(kept, all[i:]...)), all[min(i+2, len(all)):]
			for j, w := range a.options {
				if (w == "--add-set" || w == "--del-set") && a.target == "SET" {
					a.adds = append(a.adds, iptables.Next(a.options, j))
				}
			}
			return a
		case "!":
			not = true
			continue
		case "-s":
			p, err := netip.ParsePrefix(arg())
			switch {
			case err != nil: // a mask with holes
				a.foreign = true
			case not:
				a.notSrc = p
			default:
				kept = append(kept, w, arg())
			}
			i++
		case "-i":
			if !not {
				kept = append(kept, w, arg())
			} else if arg() != "lo" { // only this host's own packets come in by lo
				a.notIn = arg()
			}
			i++
		case "-o":
			if a.notOut = arg(); !not {
				a.notOut, kept = "", append(kept, w, arg())
			}
			i++
		case "-d":
			p, err := netip.ParsePrefix(arg())
			switch {
			case not && err == nil:
				a.notDst = p
			case not:
				kept = append(kept, "!", w, arg())
			default:
				kept = append(kept, w, arg())
			}
			i++
		case "--match-set":
			if direction := iptables.Next(all, i+1); direction == "src" || strings.HasPrefix(direction, "src,") {
				a.sets = append(a.sets, askedSet{SetMatch{Name: arg(), By: strings.Split(direction, ",")}, not})
				if exceptions(all[i:]) {
					a.sets[len(a.sets)-1].Exceptions = true
				}
			} else {
				kept = append(kept, w) // the destination's, which is not known
			}
			i += 2
		case "--return-nomatch", "--update-counters", "--update-subcounters": // the first is handled elsewhere, the others change no match
		case "--src-range":
			first, last, _ := strings.Cut(arg(), "-")
			from, err := netip.ParseAddr(first)
			to, err2 := netip.ParseAddr(last)
			if err != nil || err2 != nil {
				a.foreign = true
			}
			a.ranges = append(a.ranges, askedRange{from, to, not})
			i++
		case "--source-country", "--src-cc":
			a.foreign = true
			kept = append(kept, w)
			i++
		case "--state", "--ctstate":
			a.states = append(a.states, askedState{strings.Split(arg(), ","), not})
			i++
		case "--dst-type":
			if a.local = arg() == "LOCAL" && !not; !a.local {
				kept = append(kept, w)
			}
			i++
		case "--tcp-flags":
			// FIN,SYN,RST,ACK SYN is how "--syn" is listed.
			if not || iptables.Next(all, i+1) != "SYN" {
				kept = append(kept, w)
			}
			i += 2
		case "-m":
			switch arg() {
			case "set", "iprange", "state", "conntrack", "addrtype", "geoip":
			case "recent":
				list, asks := recentList(all)
				if slices.Contains(all, "--set") || slices.Contains(all, "--remove") {
					a.adds = append(a.adds, recentPrefix+list.Name)
				}
				if asked = asks; asked {
					a.lists = append(a.lists, list)
				} else {
					kept = append(kept, w, arg())
				}
			case "mark", "connmark":
				a.marks = true
				kept = append(kept, w, arg())
			case "bpf", "u32":
				a.foreign = true
				kept = append(kept, w, arg())
			default:
				kept = append(kept, w, arg())
			}
			i++
		case "--comment":
			kept = append(kept, w, arg())
			i++
		case "--rcheck", "--update", "--rsource":
			if !asked {
				kept = append(kept, w)
			}
		case "--name", "--mask", "--hitcount":
			if !asked || w == "--mask" && strings.Trim(arg(), "25.f:") != "" {
				kept = append(kept, w)
			}
			i++
		default:
			if not {
				kept = append(kept, "!")
			}
			kept = append(kept, w)
		}
		not = false
	}
	a.match = readWords(kept)
	return a
}

// recentList returns the list of xt_recent whose members a rule asks for. With a number of hits it
// is a limit, which may also match a phone, and does not count.
func recentList(all []string) (askedSet, bool) {
	list := askedSet{SetMatch: SetMatch{Name: "DEFAULT"}}
	asked := false
	for i, w := range all {
		switch w {
		case "--name":
			list.Name = iptables.Next(all, i)
		case "--rcheck", "--update":
			asked, list.not = true, i > 0 && all[i-1] == "!"
		case "--rdest":
			return list, false
		case "--hitcount":
			if iptables.Next(all, i) != "1" {
				return list, false
			}
		}
	}
	return list, asked
}

// about reports whether a rule is for some sources and no others. A rule that opens a port for one
// network alone, such as "! -s NETWORK --dport 22 -j DROP", does not count: it is about the port.
// allPorts says that packets to all ports reach the rule.
func (a *asks) about(allPorts bool) bool {
	return a.src.IsValid() && a.src.Bits() > 0 || a.notSrc.IsValid() && a.dports == nil && allPorts ||
		len(a.sets)+len(a.ranges)+len(a.lists) > 0 || a.foreign
}

// Sources looks up what the kernel's sets and lists have of some addresses.
type Sources struct {
	Set    func(of SetMatch, source netip.Prefix) SetMember
	Recent func(name string, source netip.Prefix) Share // of xt_recent
}

// of returns how many packets of a source a rule matches, by what it asks for the source, and what
// names them: an entry of a set, or the rule's own address.
func (a *asks) of(source netip.Prefix, in Sources) (share Share, m SetMember, set string) {
	share, m.Entry = a.byAddress(source)
	if a.foreign && share != NoneOf {
		share = Unknown
	}
	for _, s := range a.sets {
		if share == NoneOf {
			return share, m, ""
		}
		found := in.Set(s.SetMatch, source)
		if s.not {
			found = found.negated()
		}
		share = share.both(found.Share)
		if !s.not && (set == "" || len(found.Limits) > 0) {
			m, set = found, cmp.Or(found.Set, s.Name)
		}
	}
	for _, l := range a.lists {
		if share == NoneOf {
			return share, m, ""
		}
		s := in.Recent(l.Name, source)
		if l.not {
			s = s.negated()
		}
		share = share.both(s)
	}
	return share, m, set
}

// byAddress is of for the addresses in the rule itself alone.
func (a *asks) byAddress(source netip.Prefix) (share Share, named netip.Prefix) {
	share = AllOf
	if a.src.IsValid() {
		share, named = share.both(shareOf(a.src, source)), a.src
	}
	if a.notSrc.IsValid() {
		share = share.both(shareOf(a.notSrc, source).negated())
	}
	for _, r := range a.ranges {
		s := shareOfRange(r.first, r.last, source)
		if r.not {
			s = s.negated()
		}
		share = share.both(s)
	}
	return share, named
}

// negated returns what a set does not have. If something is in the set only for some ports, the
// result is for all other ports.
func (m SetMember) negated() SetMember {
	if len(m.Limits) > 0 && m.Share != NoneOf {
		return SetMember{Share: Unknown}
	}
	return SetMember{Share: m.Share.negated()}
}

// ofStranger returns how many packets of a stranger, whom no rule and no set names, the rule
// matches, as far as the source can tell. Without a source, the sets tell who is meant.
func (a *asks) ofStranger(source netip.Prefix, in Sources) (share Share) {
	if !a.meetsStranger() {
		return NoneOf
	}
	share = AllOf
	for _, s := range a.sets {
		of := in.Set(s.SetMatch, source).Share
		if source.IsValid() && of != Unknown {
			of = NoneOf
		}
		if s.not {
			of = of.negated()
		}
		share = share.both(of)
	}
	for _, l := range a.lists {
		of := NoneOf
		if in.Recent(l.Name, source) == Unknown {
			of = Unknown
		}
		if l.not {
			of = of.negated()
		}
		share = share.both(of)
	}
	if a.foreign {
		share = share.both(Unknown)
	}
	return share
}

// meetsStranger reports whether a stranger's packets may match the rule, by its addresses.
func (a *asks) meetsStranger() bool {
	return !(a.src.IsValid() && a.src.Bits() > 0 || a.notSrc.IsValid() && a.notSrc.Bits() == 0 ||
		slices.ContainsFunc(a.ranges, func(r askedRange) bool { return !r.not }))
}

// state returns how many packets have the connection states that a rule asks for.
func (a *asks) state(t tracking, table string, back bool, dnat Share) Share {
	share := AllOf
	for _, s := range a.states {
		share = share.both(s.of(t, table, back, dnat))
	}
	return share
}

func shareOf(rule, source netip.Prefix) Share {
	switch {
	case rule.Bits() <= source.Bits() && rule.Contains(source.Addr()):
		return AllOf
	case rule.Overlaps(source):
		return SomeOf
	}
	return NoneOf
}

func shareOfRange(first, last netip.Addr, source netip.Prefix) Share {
	from, to := source.Addr(), lastAddr(source)
	switch {
	case to.Less(first), last.Less(from):
		return NoneOf
	case !from.Less(first) && !last.Less(to):
		return AllOf
	}
	return SomeOf
}

// lastAddr returns the last address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
