package blocklist

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
)

// checkKernel looks the queries up in the live sets of the lists. A set that does not
// exist blocks nothing.
func checkKernel(cfg config.Config, places *reach.PlacesFinder, queries []netip.Prefix, reports []CheckReport) error {
	for _, f := range cidr.Families {
		name := cfg.SetName(int(f))
		live, err := places.Set(name)
		if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
		if live == nil {
			live = &ipsetsync.Members{}
		}
		for i, q := range queries {
			p := cidr.FromNetip(q)
			if p.Family() != f {
				continue
			}
			r := &reports[i]
			r.Set, r.Note = name, SetNote(live.Header, f)
			switch found := live.Look(p); found.Share {
			case ipsetsync.AllOf:
				entry := found.Entry.Netip()
				r.Entry, r.Packets, r.Bytes = &entry, found.Count.Packets, found.Count.Bytes
			case ipsetsync.SomeOf:
				r.Partly = max(found.Inside, 1)
			}
		}
	}
	return nil
}

// checkOwnBans looks the queries up in the sets of this host's own bans.
func checkOwnBans(cfg config.Config, kernel *ipsetsync.Kernel, queries []netip.Prefix, reports []CheckReport) error {
	for _, f := range cidr.Families {
		name := cfg.BanSetName(int(f))
		live, entries, err := kernel.OwnBans(name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for i, q := range queries {
			p, r := cidr.FromNetip(q), &reports[i]
			if p.Family() != f {
				continue
			}
			count, ok := live.Find(p)
			if !ok {
				r.Partly += live.Within(p)
				continue
			}
			r.BanSet = name
			if left := entries[count.Prefix]; left != ipsetsync.Forever {
				r.BanEnds = new(left.Seconds())
			}
			if r.Entry == nil {
				entry := count.Prefix.Netip()
				r.Set, r.Entry, r.Packets, r.Bytes = name, &entry, count.Packets, count.Bytes
				r.Note = BanSetNote(live.Header, f)
			}
		}
	}
	return nil
}

// BanSetNote says why a set is not usable as a set of bans, or has no effect; "" if it is fine.
func BanSetNote(h ipsetsync.Header, f cidr.Family) string {
	if err := ipsetsync.CheckBanSet(h, f); err != nil {
		return err.Error()
	}
	if h.References == 0 {
		return "no rule uses the set, so nothing is dropped yet"
	}
	return ""
}

// checkBans looks the queries up in the sets that fail2ban fills, of any type, even if no
// rule drops their members.
func checkBans(places *reach.PlacesFinder, queries []netip.Prefix, reports []CheckReport) error {
	headers, err := places.Kernel.BanSets(banrule.IsFail2ban)
	if err != nil {
		return err
	}
	for _, h := range headers {
		if h.Elements == 0 {
			continue
		}
		live, err := places.Set(h.Name)
		if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
		for i, q := range queries {
			if live == nil || reports[i].Fail2ban != "" {
				continue
			}
			if found := live.Look(cidr.FromNetip(q)); found.Share == ipsetsync.AllOf {
				banned := found.Entry.Netip()
				reports[i].Fail2ban, reports[i].FailEntry = h.Name, &banned
			}
		}
	}
	return nil
}

// findPlaces finds where the packets of a query are dropped. That decides the verdict; if the
// sets suggest another one, Note explains it. syncRefused is whether a sync would do nothing.
func (r *CheckReport) findPlaces(finder *reach.PlacesFinder, q netip.Prefix, syncRefused bool) {
	places, unread := finder.Of(q)
	r.Places, r.Unread = append(r.Places, places...), append(r.Unread, unread...)
	r.Verdict = reach.JudgePlaces(r.Places, r.Unread)
	if r.Verdict == reach.Blocked {
		f := iptables.IPv4
		if q.Addr().Is6() {
			f = iptables.IPv6
		}
		if reaches := finder.Reaches(f, r.Places, r.Entry != nil); reaches != "" {
			r.Verdict, r.Note = reach.PartlyBlocked, cmp.Or(r.Note, reaches)
		}
	}
	r.Blocked = r.Verdict == reach.Blocked
	own := func(p reach.Place) bool { return p.Set == r.Set }
	if r.Entry != nil && r.Note == "" && !slices.ContainsFunc(r.Places, own) && len(unread) == 0 {
		r.Note = "rules use the set, but none that its packets come to drops them"
	}
	for i := range r.Places {
		p := &r.Places[i]
		switch {
		case p.Kind != reach.ByVoipbl || !r.Exempt && !(r.ByNoList && own(*p)):
		case syncRefused && p.TakeOutRemedy() != "":
			p.Remedy = p.TakeOutRemedy()
		default:
			p.Remedy = "voipbl sync" // the lists no longer have it
		}
	}
}

// SetNote says why a set is not as voipbl would make it, or has no effect; "" if it is fine.
func SetNote(h ipsetsync.Header, f cidr.Family) string {
	switch {
	case h.Name == "":
		return "the kernel has no such set: run \"voipbl sync\""
	case !ipsetsync.IsOurs(h, f):
		return fmt.Sprintf("the set of that name is a %s of %s, which somebody else made", h.Type, h.Family)
	case h.References == 0:
		return "no rule uses the set, so nothing is dropped yet"
	}
	return ""
}
