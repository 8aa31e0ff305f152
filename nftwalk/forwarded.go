package nftwalk

import (
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// StopsForwarded returns the tables, or base chains beside those of iptables, that end all packets
// of a kind which are forwarded, to containers say, and so pass INPUT by; see [nft.Named].
func StopsForwarded(r *nft.Ruleset, p Packet) (all []string) {
	r = metBy(r, p)
	p.Forwarded, p.left = true, new(maxStepsInAll)
	for range maxStops {
		drops := FateOf(r, p).Drops
		i := slices.IndexFunc(drops, DropPlace.all)
		if i < 0 {
			break
		}
		of := nft.Named(drops[i].Table, drops[i].Base)
		if p.past = append(p.past, of); drops[i].Hook == nft.Forward {
			all = append(all, of)
		}
	}
	return all
}
