package nftwalk

import "github.com/voipbl/voipbl/nft"

// otherIndex is the number of an interface that no rule names.
const otherIndex = 1<<31 - 1

// by are packets as they come by each of the interfaces that rules tell apart, or by the one
// that is known.
func by(r *nft.Ruleset, p Packet) (all []Packet) {
	names := []string{p.Interface}
	if p.Interface == "" {
		names = r.Interfaces()
	}
	for _, p.Interface = range names {
		if p.index = r.Device(p.Interface); p.Interface == nft.OtherInterface {
			p.index = otherIndex
		}
		all = append(all, p)
	}
	return all
}
