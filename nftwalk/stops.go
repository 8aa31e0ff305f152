package nftwalk

import (
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// Stop is a table, or a base chain beside those of iptables, that certainly ends packets.
type Stop struct {
	Of string // the table or chain; see [nft.Named]

	// ForSource means that it does so because of the source. For a stranger that means a named set
	// whose members fare better; who is in it is not looked up.
	ForSource bool

	In []PortRange // the ports of those packets
}

// maxStops bounds how many tables are named that would end the same packets one after the other.
const maxStops = 8

// Stops finds every table that ends all packets of a protocol to a port, and those that would do so
// if it were not there.
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

// countRules returns the number of rules.
func countRules(r *nft.Ruleset) (n int) {
	for i := range r.Tables {
		for _, c := range r.Tables[i].Chains {
			n += len(c.Rules)
		}
	}
	return n
}

// stop returns the first place where all of the packets end.
func stop(r *nft.Ruleset, p Packet) (s Stop, found bool) {
	for _, d := range FateOf(r, p).Drops {
		if d.all() {
			return Stop{Of: nft.Named(d.Table, d.Base), ForSource: d.BySource || d.listed}, true
		}
	}
	return s, false
}
