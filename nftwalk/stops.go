package nftwalk

import (
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// Stop is a table, or a base chain beside those of iptables, that ends packets for certain.
type Stop struct {
	Of string // the table or chain; see [nft.Named]

	// ForSource is that it does so for where the packets come from. Of a stranger that is a
	// set with a name, whose members fare better: who is in it is not asked.
	ForSource bool

	In []PortRange // the ports of those packets
}

// maxStops bounds how many tables are named that one after the other would end the same
// packets.
const maxStops = 8

// Stops finds what ends packets of a protocol to some ports, all of those to a port: each
// table that does so, and those that would do so then if it were not there.
func Stops(r *nft.Ruleset, p Packet, ports PortRange) (all []Stop) {
	if !MayStop(r, p) {
		return nil
	}
	if p.Answers {
		r = r.Turned()
	}
	if !p.Left.Take(countRules(r)) {
		return nil
	}
	r = metBy(r, p)
	p.left = new(maxStepsInAll)
	kinds, _ := kinds(r, p.Proto)
	for _, kind := range kinds {
		in := portrange.Within(kind, ports)
		if len(in) == 0 {
			continue
		}
		p.Port, p.past = max(in[0].First, 1), nil
		for range maxStops {
			stop, found := stop(r, p)
			if !found {
				break
			}
			p.past = append(p.past, stop.Of)
			at := 0
			for at < len(all) && all[at].Of != stop.Of {
				at++
			}
			if at == len(all) {
				all = append(all, stop)
			}
			all[at].In = append(all[at].In, in...)
		}
	}
	for i := range all {
		all[i].In = portrange.Joined(all[i].In)
	}
	return all
}

// countRules is how many there are.
func countRules(r *nft.Ruleset) (n int) {
	for i := range r.Tables {
		for _, c := range r.Tables[i].Chains {
			n += len(c.Rules)
		}
	}
	return n
}

// stop is the first place where all of some packets end.
func stop(r *nft.Ruleset, p Packet) (s Stop, found bool) {
	for _, d := range FateOf(r, p).Drops {
		if d.All() {
			return Stop{Of: nft.Named(d.Table, d.Base), ForSource: d.BySource || d.listed}, true
		}
	}
	return s, false
}
