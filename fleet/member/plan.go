package member

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

// plan is what the agent is to be asked for. It has addresses alone: what counts of one is found out when
// it is asked for, since all of it would take as much memory as all that was heard.
type plan struct {
	add    []netip.Addr
	remove []netip.Addr
}

// whole compares all bans that count with what the agent has, and returns how many count. What is over in the
// book goes out of it, and so do refusals of bans that count no more. each calls its argument with each
// ban that counts.
func (b *book) whole(each func(func(fleet.Verdict)), now time.Duration) (p plan, believed int) {
	b.round++
	each(func(v fleet.Verdict) {
		believed++
		if b.missing(v, now) {
			p.add = append(p.add, v.Addr)
		}
		b.counts(v.Addr)
	})
	b.tidy(now)
	for a, h := range b.held {
		if h.round != b.round {
			p.remove = append(p.remove, a)
		}
	}
	return p, believed
}

// judge returns what counts of an address.
type judge func(netip.Addr) (fleet.Verdict, bool)

// some compares the bans of some addresses with what the agent has.
func (b *book) some(addrs []netip.Addr, judge judge, now time.Duration) (p plan) {
	for _, a := range addrs {
		v, counts := judge(a)
		switch {
		case counts && b.missing(v, now):
			p.add = append(p.add, a)
		case !counts && b.surplus(a, now):
			p.remove = append(p.remove, a)
		}
	}
	return p
}

// request is the next one of a plan: at most so many changes as one may have, and bans are made before
// others are taken back. What counts no more is left out: it has changed, so it is looked at again. ok is
// false if there is no request.
func (p *plan) request(judge judge, now time.Duration) (r link.Others, of []fleet.Verdict, ok bool) {
	for len(p.add) > 0 && len(r.Add) < link.MostInRequest {
		v, counts := judge(p.add[0])
		p.add = p.add[1:]
		if counts && v.Until > now {
			r.Add, of = append(r.Add, banOf(v, now)), append(of, v)
		}
	}
	n := min(len(p.remove), link.MostInRequest-len(r.Add))
	r.Remove, p.remove = p.remove[:n], p.remove[n:]
	return r, of, len(r.Add)+len(r.Remove) > 0
}

// answered notes what has become of a request.
func (b *book) answered(r link.Others, of []fleet.Verdict, a link.Answer, now time.Duration) {
	for _, v := range of {
		b.hold(v.Addr, v.Until, v.By, v.Proved)
	}
	for _, f := range a.Refused {
		b.refuse(f.Addr, f.Why, now)
	}
	for _, addr := range r.Remove {
		b.release(addr)
	}
}
