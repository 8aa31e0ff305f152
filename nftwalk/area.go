package nftwalk

import (
	"encoding/binary"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// PortRange is the ports from First to Last, both included.
type PortRange = portrange.Range

// area is a part of the packets that a question is about: those of a protocol and ports, if nothing
// else sets them apart.
type area struct {
	proto   byte        // 0: any
	ports   []PortRange // nil: any
	unclear bool        // only some of those, and it is not known which
}

// narrow restricts an area by a match of its protocol or ports that holds for some of the packets.
// It reports whether it could.
func (a *area) narrow(m *nft.Match, s *nft.Set) bool {
	if m.Not || m.Mask != nil || len(m.Fields) != 1 {
		return false
	}
	ranges := m.Ranges
	if m.Set != "" {
		if s == nil || !s.Read || s.Concat || s.Rest != nil {
			return false
		}
		ranges = s.Ranges()
	}
	return a.narrowTo(m.Fields[0], ranges)
}

func (a *area) narrowTo(f nft.Field, ranges []nft.Range) bool {
	switch {
	case f == nft.L4Proto && len(ranges) == 1 && a.proto == 0 && ranges[0].First[0] == ranges[0].Last[0]:
		a.proto = ranges[0].First[0]
		return true
	case f == nft.L4Proto && a.proto == 0 && a.ports == nil && onlyTCPAndUDP(ranges):
		return true // any protocol with ports; nothing else tells which
	case f == nft.Dport && len(ranges) <= maxPorts:
		ports := []PortRange{}
		for _, r := range ranges {
			if len(r.First) != 2 || len(r.Last) != 2 {
				return false
			}
			p := PortRange{First: binary.BigEndian.Uint16(r.First), Last: binary.BigEndian.Uint16(r.Last)}
			if a.ports == nil {
				ports = append(ports, p)
				continue
			}
			for _, q := range a.ports {
				if first, last := max(p.First, q.First), min(p.Last, q.Last); first <= last {
					ports = append(ports, PortRange{First: first, Last: last})
				}
			}
		}
		a.ports = ports
		return true
	}
	return false
}

// maxPorts is how many ranges of ports are told apart.
const maxPorts = 256

func onlyTCPAndUDP(ranges []nft.Range) bool {
	return !slices.ContainsFunc(ranges, func(r nft.Range) bool {
		return r.First[0] != r.Last[0] || r.First[0] != nft.ProtoTCP && r.First[0] != nft.ProtoUDP
	})
}

// empty reports whether no packet is in an area.
func (a area) empty() bool { return a.ports != nil && len(a.ports) == 0 }

// overlaps reports whether a packet may be in both.
func (a area) overlaps(b area) bool {
	if a.proto != 0 && b.proto != 0 && a.proto != b.proto {
		return false
	}
	if a.ports == nil || b.ports == nil {
		return true
	}
	return slices.ContainsFunc(a.ports, func(p PortRange) bool {
		return slices.ContainsFunc(b.ports, p.Overlaps)
	})
}
