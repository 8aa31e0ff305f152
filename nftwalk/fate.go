package nftwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// Fate is what the rules do to packets.
type Fate struct {
	// Dropped is that none of them passes, for certain.
	Dropped bool

	// Drops are the places where some of them are dropped, in the order in which packets
	// come there. It is empty if all pass.
	Drops []DropPlace

	// Cut is that there were too many ways through the rules to walk them all: then
	// there may be more places.
	Cut bool

	parted *DropPlace // the last rule that the source matches and a stranger does not, or the reverse
	trail  []step
}

// step is a rule that ends the way of packets, all or some of them.
type step struct {
	handle uint64
	all    bool
}

// DropPlace is a rule, or a policy, that drops packets.
type DropPlace struct {
	Table  string   `json:"table"` // such as "inet filter"
	Chain  string   `json:"chain"`
	Hook   nft.Hook `json:"hook"`
	Base   string   `json:"-"`              // the base chain that leads there
	Rule   string   `json:"rule,omitempty"` // as nft writes it, nearly; empty for a policy
	Handle uint64   `json:"handle,omitempty"`

	// BehindNAT is that it stands in a base chain that packets come to with the address and
	// port that nat has given them.
	BehindNAT bool `json:"-"`

	// BySource is that it is for where they come from: a rule names an address, a network
	// or a set that holds them.
	BySource bool         `json:"by_source"`
	Set      string       `json:"set,omitempty"` // the set, if it is one with a name
	Entry    netip.Prefix `json:"entry,omitzero"`

	// Proto and Ports are of those of the packets that it is about; empty: all.
	Proto string      `json:"proto,omitempty"`
	Ports []PortRange `json:"ports,omitempty"`

	// Certain is that each of those is dropped. Else a rule above may let some pass, or
	// there is more that the rule asks for: an interface, a rate, something that is not
	// understood.
	Certain bool `json:"certain"`

	// Part is that it is for some of the addresses that were asked about.
	Part bool `json:"part,omitempty"`

	// Then is the rule or policy, for anybody, that ends the packets which Rule has sent
	// there, or has not let in as it does a stranger's. It is empty if Rule does so itself.
	Then string `json:"then,omitempty"`

	// Unknown is that the rules ask for something that is not understood.
	Unknown bool `json:"unknown,omitempty"`

	listed bool // a rule on the way asked for the members of a set with a name
}

// All reports whether a place drops all of the packets for certain, whatever their
// addresses, protocol and ports.
func (d DropPlace) All() bool { return d.Certain && !d.Part && d.Proto == "" && d.Ports == nil }

// BySource are the places that are about where the packets come from.
func (f Fate) BySource() []DropPlace {
	return slices.DeleteFunc(slices.Clone(f.Drops), func(d DropPlace) bool { return !d.BySource })
}

const (
	maxDepth = 16      // of jumps: NFT_JUMP_STACK_SIZE
	maxSteps = 200_000 // of a walk; see Fate.Cut
)

// FateOf tells what becomes of packets as they come in, for this host or to be forwarded, and
// of the answers to them, if the rules are [nft.Ruleset.Turned].
// The packets begin something new: what belongs to a connection that there is passes more
// rules than these.
func FateOf(r *nft.Ruleset, p Packet) Fate {
	var all Fate
	for i, p := range by(r, p) {
		f := fateBy(r, p)
		if i == 0 {
			all = f
			continue
		}
		all.Dropped, all.Cut = all.Dropped && f.Dropped, all.Cut || f.Cut
		all.Drops, all.trail = either(all.Drops, f.Drops), append(all.trail, f.trail...)
		if all.parted == nil {
			all.parted = f.parted
		}
	}
	return all
}

// either are the places of packets of which some have the one fate and some the other.
func either(a, b []DropPlace) []DropPlace {
	all := slices.Clone(a)
	for i := range all {
		all[i].Certain = all[i].Certain && slices.ContainsFunc(b, func(d DropPlace) bool { return d.same(all[i]) && d.Certain })
	}
	for _, d := range b {
		if !slices.ContainsFunc(a, d.same) {
			d.Certain = false
			all = append(all, d)
		}
	}
	return all
}

// same reports whether two places are the same rule, for the same packets.
func (d DropPlace) same(o DropPlace) bool {
	return d.Table == o.Table && d.Chain == o.Chain && d.Handle == o.Handle && d.Set == o.Set && d.Entry == o.Entry && d.Part == o.Part &&
		d.Proto == o.Proto && slices.Equal(d.Ports, o.Ports)
}

// fateBy is Fate for packets by one interface.
func fateBy(r *nft.Ruleset, p Packet) Fate {
	w := newWalk(r, p)
	w.through()
	return w.fate
}

// through goes through all base chains, up to where no packet is left.
func (w *walk) through() {
	p := w.packet
	for _, h := range p.hooks() {
		for _, c := range base(w.rules, h, p.is6()) {
			if slices.Contains(p.past, nft.Named(c.Table.String(), c.Chain.Name)) || p.Away && h == nft.Prerouting && c.Priority >= priorityNATDest {
				continue
			}
			from := way{area: area{unclear: !p.seesAll(c)}}
			here := p.comeTo(c)
			w.packet.sent, w.packet.To, w.packet.AnyPort = here.sent, here.To, here.AnyPort
			if w.base(c, from) {
				w.fate.Dropped = true
				return
			}
		}
	}
}
