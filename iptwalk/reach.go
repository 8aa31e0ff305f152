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

// incoming are the chains that packets for this host go through, table by table.
var incoming = [...]place{
	{"raw", "PREROUTING"}, {"mangle", "PREROUTING"}, {"nat", "PREROUTING"},
	{"mangle", "INPUT"}, {"nat", "INPUT"}, {"filter", "INPUT"},
}

// forwarded are the chains that packets for others, such as containers, go through.
var forwarded = [...]place{{"raw", "PREROUTING"}, {"mangle", "PREROUTING"}, {"mangle", "FORWARD"}, {"filter", "FORWARD"}}

// place is a chain of a table.
type place struct{ table, chain string }

// comeTo calls visit for each rule that packets starting in one of the chains may reach, whatever
// they have to match before, until visit returns false.
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

// Reaches reports whether packets for this host may reach a chain.
func Reaches(s *iptables.Saved, chain string) bool {
	found := false
	comeTo(s, incoming[:], func(rule string) bool {
		found = iptables.Target(rule) == chain
		return !found
	})
	return found
}

// LooksAt reports whether packets for this host may reach a rule that asks for the members of a
// set and acts on them.
func LooksAt(s *iptables.Saved, set string) bool { return looksAt(s, incoming[:], set) }

// ForwardLooksAt is LooksAt for forwarded packets, also to containers.
func ForwardLooksAt(s *iptables.Saved, set string) bool { return looksAt(s, forwarded[:], set) }

func looksAt(s *iptables.Saved, from []place, set string) bool {
	found := false
	comeTo(s, from, func(rule string) bool {
		found = iptables.MatchesSet(rule, set) && iptables.Target(rule) != "" && !passive(iptables.Target(rule))
		return !found
	})
	return found
}

// Published is a port of this host whose packets are sent on to a container or another host. They
// never come to INPUT.
type Published struct {
	Proto string     `json:"proto"`
	Ports PortRange  `json:"ports"`
	To    netip.Addr `json:"to"`
	Chain string     `json:"chain"` // such as DOCKER

	ToPort  uint16 `json:"-"` // the port there; 0 for the same port
	AnyPort bool   `json:"-"` // it may be any of several
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

// destination reads "10.0.0.2:80", "10.0.0.2-10.0.0.9", "[fd00::2]:80" and plain addresses. Of a
// range it returns the first address.
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

// destinationPort returns the port of such a destination, 0 without one; unclear if it may be any of
// several.
func destinationPort(text string) (port uint16, unclear bool) {
	if i := strings.LastIndexByte(text, ']'); i >= 0 {
		text = text[i+1:]
	} else if strings.Count(text, ":") > 1 {
		return 0, false // an IPv6 address
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

// Decides reports whether a rule of a chain does more than send packets back or record them.
func Decides(s *iptables.Saved, table, chain string) bool {
	return slices.ContainsFunc(s.Texts(table, chain), func(rule string) bool {
		to := iptables.Target(rule)
		return to != "" && to != "RETURN" && !passive(to)
	})
}
