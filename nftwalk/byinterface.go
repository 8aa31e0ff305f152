package nftwalk

import "github.com/voipbl/voipbl/nft"

// otherIndex is the number of an interface that no rule names.
const otherIndex = 1<<31 - 1

// by returns the packets once for each incoming interface that rules tell apart, or only for the
// known one.
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
