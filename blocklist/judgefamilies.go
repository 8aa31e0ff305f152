package blocklist

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
)

// judgeFamilies says which family is not protected as configured, and why.
func (s *Status) judgeFamilies() {
	for _, p := range s.Families {
		s.problem(p.Remedy, "%s", p.Error)
	}
	s.Add(s.IPv6Trouble())
}

// IPv6Trouble is that the set of IPv6 is missing or was made by somebody else, or that no
// rule drops its members, unless that is told otherwise; nil if not. What is wrong with both
// families is not that of IPv6.
func (s *Status) IPv6Trouble() *problem.Problem {
	six := s.Sets[firewall.IPv6]
	switch {
	case s.InTrouble(firewall.IPv6):
	case six.Exists && !six.Ours:
		return &problem.Problem{Reason: "foreign-set", Error: fmt.Sprintf("the set %s is a %s that somebody else made", six.Name, six.Type), Remedy: s.foreignRemedy(six)}
	case s.ipv6Told(six):
	case !six.Exists && s.Sets[firewall.IPv4].Exists:
		return openIPv6("the kernel has no set "+six.Name, s.repairs())
	case six.Entries > 0 && !six.Drops && !s.Rules.Unread:
		remedy, text := s.noDrop(six.Name)
		return openIPv6(text, remedy)
	}
	return nil
}

func openIPv6(why, remedy string) *problem.Problem {
	err := &firewall.FamilyError{Family: firewall.IPv6, Err: errors.New(why)}
	return &problem.Problem{Reason: "open", Error: err.Error(), Remedy: remedy}
}

// InTrouble reports whether a family is not protected as configured.
func (s *Status) InTrouble(f firewall.Family) bool {
	return slices.ContainsFunc(s.Families, func(p problem.FamilyProblem) bool { return p.Family == f.String() })
}

// Drift is what is not as it should be among the rules, without what cannot be for
// another reason that is told.
func (s *Status) Drift() (left []firewall.Change) {
	if s.Rules.DropAt == string(firewall.Nowhere) {
		return nil
	}
	for _, c := range s.Rules.Drift {
		if !slices.ContainsFunc(s.Families, func(p problem.FamilyProblem) bool { return p.Family == c.Family }) {
			left = append(left, c)
		}
	}
	return left
}

// ipv6Told reports whether it is said elsewhere what is wrong with the set of IPv6, or
// that IPv6 is left alone. A host that is protected over IPv4 is protected.
func (s *Status) ipv6Told(set SetStatus) bool {
	return s.InTrouble(firewall.IPv6) || s.Rules.IPv6Off || set.Exists && !set.Ours ||
		s.Rules.DropAt == string(firewall.Nowhere) && set.Exists
}

// sayNoDrop notes that no rule drops a set's members, and what makes one.
func (s *Status) sayNoDrop(set string) {
	remedy, text := s.noDrop(set)
	s.problem(remedy, "%s", text)
}

func (s *Status) noDrop(set string) (remedy, text string) {
	for _, p := range s.Families {
		if p.In == firewall.IPv4 {
			return p.Remedy, p.Error
		}
	}
	if p := s.Rules.Problem; p != nil && s.Rules.DropAt == string(firewall.Nowhere) {
		return p.Remedy, p.Error
	}
	if ports := s.Rules.Reached[set]; len(ports) > 0 {
		return s.repairs(), reach.ReachedWords(set, ports)
	}
	return s.repairs(), "no rule of INPUT or PREROUTING drops the members of " + set
}

// reachedOverIPv6 reports whether this host has an address that others reach it by over
// IPv6, beyond its own link.
func reachedOverIPv6() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // as far as can be known
	}
	return slices.ContainsFunc(addrs, isGlobalIPv6)
}

func isGlobalIPv6(a net.Addr) bool {
	n, ok := a.(*net.IPNet)
	return ok && n.IP.To4() == nil && n.IP.IsGlobalUnicast()
}
