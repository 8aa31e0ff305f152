package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Believed returns all that counts now, by address.
func (h *Heard) Believed(p Policy, now time.Duration) []Verdict {
	var all []Verdict
	h.EachBelieved(p, now, func(v Verdict) { all = append(all, v) })
	slices.SortFunc(all, func(a, b Verdict) int { return a.Addr.Compare(b.Addr) })
	return all
}

// EachBelieved calls do with all that counts now, in an order that depends on nothing but the addresses.
// Verdicts are large: it keeps none of them.
func (h *Heard) EachBelieved(p Policy, now time.Duration, do func(Verdict)) {
	h.ask(p)
	h.tick(now)
	h.unchanged()
	n, most := 0, max(p.Most, 0)
	h.judgeAll(p, now, func(key, Verdict) { n++ })
	if n <= most {
		h.judgeAll(p, now, func(_ key, v Verdict) { do(v) })
		return
	}
	if most == 0 {
		return
	}
	places := make([]place, 0, n)
	h.judgeAll(p, now, func(k key, v Verdict) { places = append(places, place{v.Made, k}) })
	slices.SortFunc(places, comparePlaces)
	limit := cut{cuts: true, last: places[most-1]}
	h.judgeAll(p, now, func(k key, v Verdict) {
		if !limit.leavesOutPlace(place{v.Made, k}) {
			do(v)
		}
	})
}

// judgeAll calls do with the verdict on each address that counts, but for the limit Most.
func (h *Heard) judgeAll(p Policy, now time.Duration, do func(key, Verdict)) {
	var refs []ref
	var words []word
	for slot := range Slots {
		refs = h.refs(refs[:0], slot)
		for i := 0; i < len(refs); {
			k := refs[i].key
			words = words[:0]
			for ; i < len(refs) && refs[i].key == k; i++ {
				o := &h.hosts[refs[i].host]
				words = append(words, word{o, o.said[refs[i].at]})
			}
			if v, counts := p.judge(words, now); counts {
				do(k, v)
			}
		}
	}
}

// Judge returns what counts about one address now, as Believed does, but for the limit Most.
func (h *Heard) Judge(p Policy, a netip.Addr, now time.Duration) (Verdict, bool) {
	h.ask(p)
	h.tick(now)
	k, ok := keyOf(a)
	if !ok {
		return Verdict{}, false
	}
	slot := SlotOf(a)
	var words []word
	for i := range h.hosts {
		o := &h.hosts[i]
		from, to := o.slot(slot)
		if at, found := slices.BinarySearchFunc(o.said[from:to], statement{key: k}, byKey); found {
			words = append(words, word{o, o.said[from+at]})
		}
	}
	return p.judge(words, now)
}

// ref is where a statement is.
type ref struct {
	key      key
	host, at uint32
}

// refs adds those of a slot, by key.
func (h *Heard) refs(refs []ref, slot int) []ref {
	for i := range h.hosts {
		from, to := h.hosts[i].slot(slot)
		for at := from; at < to; at++ {
			refs = append(refs, ref{h.hosts[i].said[at].key, uint32(i), uint32(at)})
		}
	}
	slices.SortFunc(refs, func(a, b ref) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.host, b.host))
	})
	return refs
}
