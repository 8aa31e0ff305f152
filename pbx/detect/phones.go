package detect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

const (
	maxPhones    = 8 << 10
	maxOfAccount = 16

	remember   = 7 * 24 * time.Hour // after a password was last proved
	sweepEvery = time.Minute

	// For how long a password that was proved without a registration counts as one.
	authenticatedFor = time.Hour
	longest          = 24 * time.Hour // a registration

	manyNetworks = 4 // of one account, within a day

	ownMost, ownPer         = 30, 0.2 // wrong passwords of an account that was right there, and how many a second are no matter
	othersMost, othersPer   = 20, 0.2 // of other accounts; the latter for each account that was right
	fewAccounts, manyOthers = 4, 10   // other accounts in a day: as many as were right, within these bounds
	manyRight               = 5       // accounts that count for othersPer
	crowd                   = 50      // accounts that were right; such a source is not banned
	officeAccounts          = 3
	toldAt                  = 100 // wrong passwords in a day
)

// Phone is an address from which an account has proved its password.
type Phone struct {
	Addr      netip.Addr
	Account   string
	Transport string
	Proved    bool      // the address too: see [pbx.Observation]
	Since     time.Time // the first time
	Until     time.Time // when its registration ends, or has ended; without one, an hour after it was right last
}

// phone is a Phone by the detector's clock.
type phone struct {
	addr               netip.Addr
	account, transport string
	proved             bool
	since, last, until moment
	told               moment // when the admin was told of its account; 0 if never
	wrong              bucket
	wrongAt            moment
}

// site is a source where somebody has proved a password.
type site struct {
	phones  []phone
	wrongAt moment
	others  bucket // wrong passwords of other accounts
	day     bucket // all wrong passwords
	told    moment // 0 if never
	tried   spread // other accounts
	tally   tally
}

// sweep forgets the phones that have not proved their password for long.
func (d *Detector) sweep() {
	for key, s := range d.sites {
		before := len(s.phones)
		s.phones = slices.DeleteFunc(s.phones, func(p phone) bool { return d.now.since(p.last) >= remember })
		d.phones -= before - len(s.phones)
		if len(s.phones) == 0 {
			delete(d.sites, key)
		}
	}
}

// right takes in that somebody has proved a password.
func (d *Detector) right(e event) []Verdict {
	if e.Account == "" {
		return nil
	}
	p := phone{addr: e.Source.Addr(), account: e.Account, transport: e.Transport, proved: e.Proved, since: e.at, last: e.at}
	switch e.What {
	case pbx.Registered:
		p.until = e.at.add(min(max(0, e.Until.Sub(e.At)), longest))
	case pbx.Unregistered:
		p.until = e.at
	default:
		p.until = e.at.add(authenticatedFor)
	}
	return d.know(p, e.What)
}

// Restore says which phones were known before a restart.
func (d *Detector) Restore(now time.Time, phones []Phone) {
	d.tick(now)
	for _, p := range phones {
		a := p.Addr.Unmap().WithZone("")
		until := d.now.add(min(max(-remember, p.Until.Sub(now)), longest))
		if !possible(a) || p.Account == "" || now.Sub(p.Until) >= remember {
			continue
		}
		since := d.now.add(-min(max(0, now.Sub(p.Since)), remember))
		d.know(phone{addr: a, account: pbx.Text(p.Account), transport: p.Transport, proved: p.Proved, since: since, last: min(until, d.now), until: until}, pbx.Registered)
	}
}

// know takes a phone in.
func (d *Detector) know(p phone, what pbx.What) []Verdict {
	key := sourceOf(p.addr)
	s := d.sites[key]
	if s == nil {
		s = &site{}
	}
	if i := slices.IndexFunc(s.phones, func(o phone) bool { return o.addr == p.addr && o.account == p.account }); i >= 0 {
		old := &s.phones[i]
		ended := old.until <= d.now
		old.last, old.transport, old.proved = max(old.last, p.last), p.transport, old.proved || p.proved
		if what == pbx.Authenticated {
			old.until = max(old.until, p.until)
		} else {
			old.until = p.until
		}
		if ended && old.until > d.now {
			return []Verdict{Trust{d.phone(*old)}}
		}
		return nil
	}
	networks, told := d.makeRoom(p)
	if d.phones >= maxPhones {
		return nil
	}
	d.sites[key] = s
	var out []Verdict
	if p.until > d.now {
		out = append(out, Trust{d.phone(p)})
	}
	if networks >= manyNetworks && (told == 0 || d.now.since(told) >= 24*time.Hour) {
		told = d.now
		out = append(out, Tell{Addr: p.addr, Account: p.account, Text: fmt.Sprintf("account %s has proved its password from %d networks in a day, the last time from %s: is it stolen?", p.account, networks, p.addr)})
	}
	p.told = told
	s.phones = append(s.phones, p)
	d.phones++
	return out
}

// makeRoom removes a phone in favour of a new one, if its account or all have too many. A phone whose
// address is not proved makes no room among others. It returns from how many networks the account
// has proved its password within a day, with the new one, and when that was told.
func (d *Detector) makeRoom(p phone) (networks int, told moment) {
	type found struct {
		key  source
		at   int
		last moment
	}
	var first, own found // those that were right longest ago, of all and of the account
	ofAccount := 0
	seen := []netip.Prefix{wide(p.addr)}
	for key, s := range d.sites {
		for i := range s.phones {
			o := &s.phones[i]
			here := found{key, i, o.last}
			if first.key == (source{}) || o.last < first.last {
				first = here
			}
			if o.account != p.account {
				continue
			}
			if ofAccount == 0 || o.last < own.last {
				own = here
			}
			ofAccount++
			told = max(told, o.told)
			if w := wide(o.addr); d.now.since(o.last) < 24*time.Hour && !slices.Contains(seen, w) {
				seen = append(seen, w)
			}
		}
	}
	switch {
	case ofAccount >= maxOfAccount:
		d.drop(own.key, own.at)
	case d.phones >= maxPhones && p.proved:
		d.drop(first.key, first.at)
	}
	return len(seen), told
}

// wide returns the network that is likely to be one provider's.
func wide(a netip.Addr) netip.Prefix {
	bits := 16
	if a.Is6() {
		bits = 32
	}
	w, _ := a.Prefix(bits)
	return w
}

func (d *Detector) drop(key source, i int) {
	s := d.sites[key]
	s.phones = slices.Delete(s.phones, i, i+1)
	d.phones--
	if len(s.phones) == 0 {
		delete(d.sites, key)
	}
}

// phone returns a phone by the wall clock.
func (d *Detector) phone(p phone) Phone {
	at := func(m moment) time.Time { return d.wall.Round(0).Add(m.since(d.now)) }
	return Phone{Addr: p.addr, Account: p.account, Transport: p.transport, Proved: p.proved, Since: at(p.since), Until: at(p.until)}
}

// Phones returns all phones that are known, by address and account: also those whose registration
// has ended in the last seven days.
func (d *Detector) Phones(now time.Time) []Phone {
	d.tick(now)
	phones := make([]Phone, 0, d.phones)
	for _, s := range d.sites {
		for _, p := range s.phones {
			phones = append(phones, d.phone(p))
		}
	}
	slices.SortFunc(phones, func(a, b Phone) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Account, b.Account)) })
	return phones
}

// wrongAtSite takes in what a source does where somebody has proved a password.
func (d *Detector) wrongAtSite(s *site, e event) []Verdict {
	if !e.Proved || e.What != pbx.WrongPassword && e.What != pbx.UnknownAccount {
		return nil
	}
	right := s.accounts()
	passed := e.at.since(s.wrongAt)
	s.wrongAt = max(s.wrongAt, e.at)
	s.others.add(0, passed, othersPer*float64(min(right, manyRight)))
	s.day.add(1, passed, toldAt*dayPer)
	if s.day == 1 { // all that was before has run out
		s.tally = tally{}
	}
	s.tally.add(e.What, e.at)
	excess := false
	if own := slices.IndexFunc(s.phones, func(p phone) bool { return p.account == e.Account }); own >= 0 {
		p := &s.phones[own]
		p.wrong.add(1, e.at.since(p.wrongAt), ownPer)
		p.wrongAt = max(p.wrongAt, e.at)
		excess = p.wrong.full(ownMost)
	} else {
		s.others++
		s.tried.add(e.account, e.at)
		excess = s.others.full(othersMost) || s.tried.n(e.at) >= max(fewAccounts, min(right, manyOthers))
	}
	evidence := s.tally.evidence(s.tried.n(e.at))
	addr := e.Source.Addr()
	if !excess {
		if s.day.full(toldAt) && (s.told == 0 || e.at.since(s.told) >= 24*time.Hour) {
			s.told = e.at
			return []Verdict{Tell{Addr: addr, Account: e.Account, Text: fmt.Sprintf("%s from %s, where %s; the last one for account %s", evidence, addr, proved(right), e.Account)}}
		}
		return nil
	}
	reason := evidence.String() + ", where " + proved(right)
	if right >= crowd || d.friend(addr) {
		s.others, s.tried = 0, spread{}
		for i := range s.phones {
			s.phones[i].wrong = 0
		}
		return d.spare(e, reason)
	}
	d.phones -= len(s.phones)
	delete(d.sites, e.source)
	who := guesser
	if right >= officeAccounts {
		who = anOffice
	}
	return []Verdict{Untrust{Network: prefixOf(addr), Why: reason}, d.ban(e, reason, evidence, who)}
}

func proved(right int) string {
	switch right {
	case 1:
		return "1 account is right"
	case crowd:
		return fmt.Sprintf("%d accounts or more are right", right)
	}
	return fmt.Sprintf("%d accounts are right", right)
}

// accounts returns how many accounts have proved their password at a site; it counts no more than
// a crowd.
func (s *site) accounts() int {
	var found [crowd]string
	n := 0
	for i := range s.phones {
		if n < crowd && !slices.Contains(found[:n], s.phones[i].account) {
			found[n] = s.phones[i].account
			n++
		}
	}
	return n
}
