package iptwalk

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
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
func comeTo(s *iptables.Saved, from []place, visit func(rule string) bool) {
	for _, at := range from {
		seen := map[string]bool{at.chain: true}
		for queue := []string{at.chain}; len(queue) > 0; queue = queue[1:] {
			for _, r := range s.Rules(at.table, queue[0]) {
				if !visit(r.Text) {
					return
				}
				if to := iptables.Target(r.Text); s.HasChain(at.table, to) && !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
}

// Reaches reports whether packets for this host may come to a chain.
func Reaches(s *iptables.Saved, chain string) bool {
	found := false
	comeTo(s, incoming[:], func(rule string) bool {
		found = iptables.Target(rule) == chain
		return !found
	})
	return found
}

// LooksAt reports whether packets for this host may come to a rule that asks for
// the members of a set and does something with them.
func LooksAt(s *iptables.Saved, set string) bool { return looksAt(s, incoming[:], set) }

// ForwardLooksAt is LooksAt for packets that are forwarded, also to containers.
func ForwardLooksAt(s *iptables.Saved, set string) bool { return looksAt(s, forwarded[:], set) }

func looksAt(s *iptables.Saved, from []place, set string) bool {
	found := false
	comeTo(s, from, func(rule string) bool {
		found = iptables.MatchesSet(rule, set) && iptables.Target(rule) != "" && !passive(iptables.Target(rule))
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

// PublishedPorts finds the rules of nat that send packets from elsewhere to other hosts.
func PublishedPorts(s *iptables.Saved) []Published {
	var found []Published
	for chain := range s.Tables["nat"] {
		if chain == "OUTPUT" || chain == "POSTROUTING" {
			continue
		}
		for _, r := range s.Rules("nat", chain) {
			m := readMatch(r.Text)
			if m.target != "DNAT" || m.dst.IsValid() && m.dst.Addr().IsLoopback() {
				continue
			}
			to := iptables.Option(r.Text, "--to-destination")
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
func Decides(s *iptables.Saved, table, chain string) bool {
	return slices.ContainsFunc(s.Texts(table, chain), func(rule string) bool {
		to := iptables.Target(rule)
		return to != "" && to != "RETURN" && !passive(to)
	})
}
