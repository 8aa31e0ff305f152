package nft

const otherIndex = 1<<31 - 1

// by are packets as they come by each of the interfaces that rules tell apart, or by the one
// that is known.
func (r *Ruleset) by(p Packet) (all []Packet) {
	names := []string{p.Interface}
	if p.Interface == "" {
		names = r.interfaces()
	}
	for _, p.Interface = range names {
		if p.index = r.device(p.Interface); p.Interface == otherInterface {
			p.index = otherIndex
		}
		all = append(all, p)
	}
	return all
}
