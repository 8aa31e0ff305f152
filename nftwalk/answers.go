package nftwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// An answer is followed like the packet that it answers: what rules ask of its destination is read
// as if they asked it of the source.

// MayStop reports whether any base chain is at a hook that the packets pass.
func MayStop(r *nft.Ruleset, p Packet) bool {
	return slices.ContainsFunc(r.Tables, func(t nft.Table) bool {
		return slices.ContainsFunc(t.Chains, func(c nft.Chain) bool { return c.Hook != "" && slices.Contains(p.hooks(), c.Hook) })
	})
}

// hooks returns the hooks that the packets pass, in order.
func (p Packet) hooks() []nft.Hook {
	switch {
	case p.Forwarded:
		return []nft.Hook{nft.Ingress, nft.Prerouting, nft.Forward, nft.Postrouting, nft.Egress}
	case p.Away:
		return []nft.Hook{nft.Ingress, nft.Prerouting}
	case p.Answers:
		return []nft.Hook{nft.Output, nft.Postrouting, nft.Egress}
	}
	return []nft.Hook{nft.Ingress, nft.Prerouting, nft.Input}
}

// comeTo returns the packets as a base chain sees them. After nat they have another address or
// port; answers have it until nat is undone.
func (p Packet) comeTo(c at) Packet {
	switch {
	case p.Answers && (c.Hook == nft.Egress || c.Hook == nft.Postrouting && c.Priority > priorityNATSource):
		p.sent = false
	case p.Answers && c.Hook == nft.Postrouting && c.Priority == priorityNATSource: // before or after it
		p.sent, p.To, p.AnyPort = p.translated(), netip.Addr{}, true
	case p.Answers:
		p.sent = p.translated()
	case c.Hook == nft.Prerouting && c.Priority == priorityNATDest:
		p.sent, p.To, p.AnyPort = p.translated(), netip.Addr{}, true
	default:
		p.sent = p.translated() && c.Hook != nft.Ingress && !(c.Hook == nft.Prerouting && c.Priority < priorityNATDest)
	}
	return p
}

// translated reports whether nat has given packets another address or port.
func (p Packet) translated() bool { return p.Forwarded || p.ToPort != 0 }

// behindNAT reports whether nat comes before a base chain for incoming packets, or may come before
// it, if both have the same priority.
func behindNAT(c *nft.Chain) bool {
	return c.Hook != nft.Ingress && (c.Hook != nft.Prerouting || c.Priority >= priorityNATDest)
}

// The priorities of nat: NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC.
const (
	priorityNATDest   = -100
	priorityNATSource = 100
)

// seesAll reports whether a base chain sees all the packets. A bridge sees only some, and a
// device only those that pass it. Which device a container has is not known.
func (p Packet) seesAll(c at) bool {
	back := c.Hook == nft.Ingress && p.Answers || c.Hook == nft.Egress && !p.Answers
	return c.Family != nft.Bridge && (len(c.Devices) == 0 || slices.Contains(c.Devices, p.Interface) && !(p.Forwarded && back))
}
