package nft

import "slices"

// StopsForwarded are the tables, or base chains beside those of iptables, that end all
// packets of a kind which are sent on past INPUT, to containers say; see [Named].
func (r *Ruleset) StopsForwarded(p Packet) (all []string) {
	r = r.metBy(p)
	p.Forwarded, p.left = true, new(maxStepsInAll)
	for range maxStops {
		drops := r.Fate(p).Drops
		i := slices.IndexFunc(drops, DropPlace.All)
		if i < 0 {
			break
		}
		of := Named(drops[i].Table, drops[i].Base)
		if p.past = append(p.past, of); drops[i].Hook == Forward {
			all = append(all, of)
		}
	}
	return all
}
