package nftwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// Answers are followed as what they answer is: all that rules ask of whom they are for is
// read as if they asked it of a source.

// MayStop reports whether there is a base chain where packets come by.
func MayStop(r *nft.Ruleset, p Packet) bool {
	return slices.ContainsFunc(r.Tables, func(t nft.Table) bool {
		return slices.ContainsFunc(t.Chains, func(c nft.Chain) bool { return c.Hook != "" && slices.Contains(p.hooks(), c.Hook) })
	})
}

// hooks are where packets come by, in their order.
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

// comeTo are the packets as they come to a base chain. Those whose address or port is
// translated have another one from then on, and answers up to where that is undone.
func (p Packet) comeTo(c at) Packet {
	switch {
	case p.Answers && (c.Hook == nft.Egress || c.Hook == nft.Postrouting && c.Priority > priorityNATSource):
		p.sent = false
	case p.Answers && c.Hook == nft.Postrouting && c.Priority == priorityNATSource: // before or behind it
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

// translated reports whether packets are for another address or port than they were sent to.
func (p Packet) translated() bool { return p.Forwarded || p.ToPort != 0 }

// behindNAT reports whether packets come in through nat before they come to a base chain, or
// may: with its own priority it is not known.
func behindNAT(c *nft.Chain) bool {
	return c.Hook != nft.Ingress && (c.Hook != nft.Prerouting || c.Priority >= priorityNATDest)
}

// The priorities of nat: NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC.
const (
	priorityNATDest   = -100
	priorityNATSource = 100
)

// seesAll reports whether a base chain sees all packets: a bridge sees some of them, and a
// device the packets that come or go by it. By which one a container has them is not known.
func (p Packet) seesAll(c at) bool {
	back := c.Hook == nft.Ingress && p.Answers || c.Hook == nft.Egress && !p.Answers
	return c.Family != nft.Bridge && (len(c.Devices) == 0 || slices.Contains(c.Devices, p.Interface) && !(p.Forwarded && back))
}
