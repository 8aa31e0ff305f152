package blocklist

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
)

// judgeFamilies notes which family is not protected as configured, and why.
func (s *Status) judgeFamilies() {
	for _, p := range s.Families {
		s.problem(p.Remedy, "%s", p.Error)
	}
	s.Add(s.IPv6Trouble())
}

// Open reports whether a family alone is not protected as configured, for whatever reason.
func (s *Status) Open(f iptables.Family) bool {
	return s.InTrouble(f) || f == iptables.IPv4 && s.ipv4Emptied() != nil || f == iptables.IPv6 && s.IPv6Trouble() != nil
}

// ipv4Emptied is the problem that somebody else has emptied the IPv4 set, while something else is
// blocked: the lists' entries of IPv6, or this host's bans. It is nil otherwise.
func (s *Status) ipv4Emptied() *problem.Problem {
	if four := s.Sets[iptables.IPv4]; s.emptiedAlone(four) && !s.InTrouble(iptables.IPv4) {
		return openFamily(iptables.IPv4, emptiedWords(four), s.repairs())
	}
	return nil
}

// emptiedAlone reports whether somebody else has emptied a set, and others still block somebody.
func (s *Status) emptiedAlone(set SetStatus) bool { return set.emptied && s.Entries()+s.banned() > 0 }

// ipv6Emptied reports whether somebody else has emptied the IPv6 set, likewise.
func (s *Status) ipv6Emptied() bool {
	return s.emptiedAlone(s.Sets[iptables.IPv6]) && s.IPv6Trouble() != nil
}

func emptiedWords(set SetStatus) string { return "somebody else has emptied the set " + set.Name }

// IPv6Trouble is the problem that the IPv6 set is missing, emptied or somebody else's, or that no rule
// drops its members. It is nil if another problem covers that, or if IPv4 has the same one.
func (s *Status) IPv6Trouble() *problem.Problem {
	six := s.Sets[iptables.IPv6]
	switch {
	case s.InTrouble(iptables.IPv6):
	case six.Exists && !six.Ours:
		return &problem.Problem{Reason: "foreign-set", Error: fmt.Sprintf("the set %s is a %s that somebody else made", six.Name, six.Type), Remedy: s.foreignRemedy(six)}
	case s.ipv6Told(six):
	case !six.Exists && s.Sets[iptables.IPv4].Exists:
		return openFamily(iptables.IPv6, "the kernel has no set "+six.Name, s.repairs())
	case s.emptiedAlone(six):
		return openFamily(iptables.IPv6, emptiedWords(six), s.repairs())
	case six.Entries > 0 && !six.Drops && !s.Rules.Unread:
		remedy, text := s.noDrop(six.Name)
		return openFamily(iptables.IPv6, text, remedy)
	}
	return nil
}

func openFamily(f iptables.Family, why, remedy string) *problem.Problem {
	err := &firewall.FamilyError{Family: f, Err: errors.New(why)}
	return &problem.Problem{Reason: "open", Error: err.Error(), Remedy: remedy}
}

// InTrouble reports whether a family is not protected as configured.
func (s *Status) InTrouble(f iptables.Family) bool {
	return slices.ContainsFunc(s.Families, func(p problem.FamilyProblem) bool { return p.Family == f.String() })
}

// Drift is how the rules differ from what they should be, without the differences that
// another problem already explains.
func (s *Status) Drift() (left []firewall.Change) {
	if s.Rules.DropAt == ruleset.Nowhere {
		return nil
	}
	for _, c := range s.Rules.Drift {
		if !slices.ContainsFunc(s.Families, func(p problem.FamilyProblem) bool { return p.Family == c.Family }) {
			left = append(left, c)
		}
	}
	return left
}

// ipv6Told reports whether another problem covers the IPv6 set, or IPv6 is left alone. A host
// that is protected over IPv4 counts as protected.
func (s *Status) ipv6Told(set SetStatus) bool {
	return s.InTrouble(iptables.IPv6) || s.Rules.IPv6Off || set.Exists && !set.Ours ||
		s.Rules.DropAt == ruleset.Nowhere && set.Exists
}

// sayNoDrop notes that no rule drops a set's members, with the remedy.
func (s *Status) sayNoDrop(set string) {
	remedy, text := s.noDrop(set)
	s.problem(remedy, "%s", text)
}

func (s *Status) noDrop(set string) (remedy, text string) {
	for _, p := range s.Families {
		if p.In == iptables.IPv4 {
			return p.Remedy, p.Error
		}
	}
	if p := s.Rules.Problem; p != nil && s.Rules.DropAt == ruleset.Nowhere {
		return p.Remedy, p.Error
	}
	if ports := s.Rules.Reached[set]; len(ports) > 0 {
		return s.repairs(), reach.ReachedWords(set, ports)
	}
	return s.repairs(), "no rule of INPUT or PREROUTING drops the members of " + set
}

// reachedOverIPv6 reports whether this host has an IPv6 address that can be reached from
// beyond its own link.
func reachedOverIPv6() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // assume so
	}
	return slices.ContainsFunc(addrs, isGlobalIPv6)
}

func isGlobalIPv6(a net.Addr) bool {
	n, ok := a.(*net.IPNet)
	return ok && n.IP.To4() == nil && n.IP.IsGlobalUnicast()
}
