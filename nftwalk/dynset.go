package nftwalk

import "github.com/voipbl/voipbl/nft"

// adds tells whether the rule goes on behind an Add, and remembers what the set may have
// or lack from then on.
func (w *walk) adds(c at, a *nft.Add, here *way) truth {
	set := c.Sets[a.Set]
	w.changed[set] = append(w.changed[set], here.area)
	if a.Removes {
		return yes
	}
	_, t := w.packet.has(set, a.Fields, w.mark)
	if t != yes {
		t = max(t, room(set, w.packet.Source.IsSingleIP()))
	}
	if a.Not {
		t = t.not()
	}
	return t
}

// room tells whether a set takes one more element, or more of them.
func room(s *nft.Set, one bool) truth {
	switch {
	case s == nil || !s.Read:
		return perhaps
	case s.Size == 0 || !s.Expires && one && s.Len() < s.Size:
		return yes
	case !s.Expires && s.Len() >= s.Size:
		return no
	case s.Expires && one && s.Len() < s.Size/2: // what has expired is not told, and counts until it is swept up
		return yes
	}
	return perhaps
}

// mayHaveChanged reports whether rules above may have put packets into a set that they had
// not been in, or the reverse.
func (w *walk) mayHaveChanged(set *nft.Set, of area) bool {
	for _, a := range w.changed[set] {
		if set != nil && a.overlaps(of) {
			return true
		}
	}
	return false
}
