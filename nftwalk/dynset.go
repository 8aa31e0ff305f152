package nftwalk

import "github.com/voipbl/voipbl/nft"

// adds returns whether the rule goes on after an Add, and records what the set may have gained or
// lost.
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

// room returns whether a set can take one more element, or several.
func room(s *nft.Set, one bool) truth {
	switch {
	case s == nil || !s.Read:
		return perhaps
	case s.Size == 0 || !s.Expires && one && s.Len() < s.Size:
		return yes
	case !s.Expires && s.Len() >= s.Size:
		return no
	case s.Expires && one && s.Len() < s.Size/2: // expired elements are not listed, but count until they are removed
		return yes
	}
	return perhaps
}

// mayHaveChanged reports whether rules above may have added packets to a set or removed them.
func (w *walk) mayHaveChanged(set *nft.Set, of area) bool {
	for _, a := range w.changed[set] {
		if set != nil && a.overlaps(of) {
			return true
		}
	}
	return false
}
