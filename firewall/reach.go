package firewall

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
)

// incoming are the chains that packets for this host come to, table by table.
var incoming = [...]place{
	{"raw", "PREROUTING"}, {"mangle", "PREROUTING"}, {"nat", "PREROUTING"},
	{"mangle", "INPUT"}, {"nat", "INPUT"}, {"filter", "INPUT"},
}

// forwarded are those that packets for others come to: containers, say.
var forwarded = [...]place{{"raw", "PREROUTING"}, {"mangle", "PREROUTING"}, {"mangle", "FORWARD"}, {"filter", "FORWARD"}}

// place is a chain of the kernel.
type place struct{ table, chain string }

// comeTo calls visit for each rule that packets may come to that begin in one of the
// chains, whatever they have to match before, and ends when visit returns false.
func (s *Saved) comeTo(from []place, visit func(rule string) bool) {
	for _, at := range from {
		seen := map[string]bool{at.chain: true}
		for queue := []string{at.chain}; len(queue) > 0; queue = queue[1:] {
			for _, r := range s.rules(at.table, queue[0]) {
				if !visit(r.text) {
					return
				}
				if to := target(r.text); s.HasChain(at.table, to) && !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
}

// Reaches reports whether packets for this host may come to a chain.
func (s *Saved) Reaches(chain string) bool {
	found := false
	s.comeTo(incoming[:], func(rule string) bool {
		found = target(rule) == chain
		return !found
	})
	return found
}

// LooksAt reports whether packets for this host may come to a rule that asks for
// the members of a set and does something with them.
func (s *Saved) LooksAt(set string) bool { return s.looksAt(incoming[:], set) }

// ForwardLooksAt is LooksAt for packets that are forwarded, also to containers.
func (s *Saved) ForwardLooksAt(set string) bool { return s.looksAt(forwarded[:], set) }

func (s *Saved) looksAt(from []place, set string) bool {
	found := false
	s.comeTo(from, func(rule string) bool {
		found = matchesSet(rule, set) && target(rule) != "" && !passive(target(rule))
		return !found
	})
	return found
}

// Published is a port of this host behind which another one stands: of a container,
// or one that is forwarded. Packets for it never come to INPUT.
type Published struct {
	Proto string     `json:"proto"`
	Ports PortRange  `json:"ports"`
	To    netip.Addr `json:"to"`
	Chain string     `json:"chain"` // such as DOCKER

	ToPort  uint16 `json:"-"` // of the other one; 0 for the one that packets have come for
	AnyPort bool   `json:"-"` // it may be any of them
}

// Published finds the rules of nat that send packets from elsewhere to other hosts.
func (s *Saved) Published() []Published {
	var found []Published
	for chain := range s.tables["nat"] {
		if chain == "OUTPUT" || chain == "POSTROUTING" {
			continue
		}
		for _, r := range s.rules("nat", chain) {
			m := readMatch(r.text)
			if m.target != "DNAT" || m.dst.IsValid() && m.dst.Addr().IsLoopback() {
				continue
			}
			to := option(r.text, "--to-destination")
			if strings.HasPrefix(to, ":") {
				continue // another port of this host
			}
			p := Published{Proto: m.proto, Chain: chain, To: destination(to)}
			p.ToPort, p.AnyPort = destinationPort(to)
			for _, ports := range m.dports {
				p.Ports = ports
				found = append(found, p)
			}
			if m.dports == nil {
				p.Ports = portrange.All
				found = append(found, p)
			}
		}
	}
	sortPublished(found)
	return found
}

// destination reads "10.0.0.2:80", "10.0.0.2-10.0.0.9", "[fd00::2]:80" and plain
// addresses, and takes the first address.
func destination(text string) netip.Addr {
	if end, err := netip.ParseAddrPort(text); err == nil {
		return end.Addr()
	}
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "["), "]")
	text, _, _ = strings.Cut(text, "-")
	if host, _, found := strings.Cut(text, ":"); found && strings.Count(text, ":") == 1 {
		text = host // with a range of ports
	}
	addr, _ := netip.ParseAddr(text)
	return addr
}

// destinationPort is the port of such a destination, 0 without one; unclear if it may be any
// of several.
func destinationPort(text string) (port uint16, unclear bool) {
	if i := strings.LastIndexByte(text, ']'); i >= 0 {
		text = text[i+1:]
	} else if strings.Count(text, ":") > 1 {
		return 0, false // an address of IPv6
	}
	_, text, found := strings.Cut(text, ":")
	if !found {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err != nil
}

func sortPublished(all []Published) {
	slices.SortFunc(all, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Proto, b.Proto), a.To.Compare(b.To), cmp.Compare(a.Chain, b.Chain))
	})
}

// Decides reports whether a rule of a chain does more than to send back or take note.
func (s *Saved) Decides(table, chain string) bool {
	return slices.ContainsFunc(s.texts(table, chain), func(rule string) bool {
		to := target(rule)
		return to != "" && to != "RETURN" && !passive(to)
	})
}
