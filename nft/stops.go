package nft

import "github.com/voipbl/voipbl/internal/portrange"

// Stop is a table, or a base chain beside those of iptables, that ends packets for certain.
type Stop struct {
	Of string // the table or chain; see Named

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
func (r *Ruleset) Stops(p Packet, ports PortRange) (all []Stop) {
	if !r.MayStop(p) {
		return nil
	}
	if p.Answers {
		r = r.turned()
	}
	if !p.Left.Take(r.rules()) {
		return nil
	}
	r = r.metBy(p)
	p.left = new(maxStepsInAll)
	kinds, _ := r.kinds(p.Proto)
	for _, kind := range kinds {
		in := portrange.Within(kind, ports)
		if len(in) == 0 {
			continue
		}
		p.Port, p.past = max(in[0].First, 1), nil
		for range maxStops {
			stop, found := r.stop(p)
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

// rules is how many there are.
func (r *Ruleset) rules() (n int) {
	for i := range r.Tables {
		for _, c := range r.Tables[i].Chains {
			n += len(c.Rules)
		}
	}
	return n
}

// stop is the first place where all of some packets end.
func (r *Ruleset) stop(p Packet) (s Stop, found bool) {
	for _, d := range r.Fate(p).Drops {
		if d.All() {
			return Stop{Of: Named(d.Table, d.Base), ForSource: d.BySource || d.listed}, true
		}
	}
	return s, false
}
