package nftwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// Fate is what the rules do to packets.
type Fate struct {
	// Dropped means that certainly none of the packets passes.
	Dropped bool

	// Drops are the places where some of the packets are dropped, in the order in which they
	// reach them. It is empty if all pass.
	Drops []DropPlace

	// Cut means that there were too many ways through the rules to follow them all. There may
	// be more places.
	Cut bool

	parted *DropPlace // the last rule that treats the source and a stranger differently
	trail  []step
}

// step is a rule that ends packets, and whether it ends all of them.
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
	Rule   string   `json:"rule,omitempty"` // nearly as nft writes it; empty for a policy
	Handle uint64   `json:"handle,omitempty"`

	// BehindNAT means that its base chain sees the address and port that nat has given the
	// packets.
	BehindNAT bool `json:"-"`

	// BySource means that it drops them because of their source: a rule names an address, a
	// network or a set that contains it.
	BySource bool         `json:"by_source"`
	Set      string       `json:"set,omitempty"` // the set, if it has a name
	Entry    netip.Prefix `json:"entry,omitzero"`

	// Proto and Ports say which packets it is for; empty means all.
	Proto string      `json:"proto,omitempty"`
	Ports []PortRange `json:"ports,omitempty"`

	// Certain means that every such packet is dropped. If not, a rule above may let some pass, or
	// the rule asks for more: an interface, a rate, something that is not understood.
	Certain bool `json:"certain"`

	// Part means that it is for some of the addresses asked about.
	Part bool `json:"part,omitempty"`

	// Then is the rule or policy for anybody that ends the packets, if Rule does not end them
	// itself: Rule has sent them there, or has not let them in as it lets in a stranger's.
	Then string `json:"then,omitempty"`

	// Unknown means that the rules ask for something that is not understood.
	Unknown bool `json:"unknown,omitempty"`

	listed bool // a rule on the way looked the source up in a named set
}

// all reports whether a place certainly drops all of the packets, whatever their addresses,
// protocol and ports.
func (d DropPlace) all() bool { return d.Certain && !d.Part && d.Proto == "" && d.Ports == nil }

// bySource returns the places that drop packets because of their source.
func (f Fate) bySource() []DropPlace {
	return slices.DeleteFunc(slices.Clone(f.Drops), func(d DropPlace) bool { return !d.BySource })
}

const (
	maxDepth = 16      // nested jumps: NFT_JUMP_STACK_SIZE
	maxSteps = 200_000 // of a walk; see Fate.Cut
)

// FateOf returns what becomes of incoming packets, for this host or to be forwarded, or, if the
// rules are [nft.Ruleset.Turned], of the answers to them. The packets begin a connection; those of
// an existing connection pass more rules.
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

// either joins the places of two parts of the packets.
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

// fateBy is FateOf for packets by one interface.
func fateBy(r *nft.Ruleset, p Packet) Fate {
	w := newWalk(r, p)
	w.through()
	return w.fate
}

// through follows the packets through all base chains, until no packet is left.
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
