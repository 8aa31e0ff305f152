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
	remember   = 7 * 24 * time.Hour // after a password was last proved
	sweepEvery = time.Minute

	// For how long a password that was proved without a registration counts as one.
	authenticatedFor = time.Hour

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
	Transport string    // as in [pbx.Observation]
	Proved    bool      // the address too: see [pbx.Observation]
	Since     time.Time // the first time
	Until     time.Time // when its registration ends, or has ended: not before Since; without one, an hour after it was right last
}

// wrong is what is wrong at a site.
type wrong struct {
	last   moment
	others bucket          // wrong passwords of other accounts than were right there
	day    bucket          // all wrong passwords
	told   moment          // 0 if never
	tried  [manyOthers]try // other accounts
	tally  tally
	one    attempt
}

// sweep forgets the phones that have not proved their password for long.
func (d *Detector) sweep() {
	for i := d.phones.oldest; i >= 0 && d.now.since(d.phones.rows[i].value.last) >= remember; i = d.phones.oldest {
		d.phones.forget(i)
	}
}

// right takes in that somebody has proved a password.
func (d *Detector) right(e event) []Verdict {
	if e.Account == "" {
		return nil
	}
	p := phone{addr: e.Source.Addr(), account: e.Account, transport: e.Transport, proved: e.Proved, since: e.at, last: e.at, news: true}
	switch {
	case e.What == pbx.Registered && !e.Until.IsZero():
		p.until = e.at.add(min(max(0, e.Until.Sub(e.At)), pbx.LongestRegistration))
	case e.What == pbx.Unregistered:
		p.until = e.at
	default:
		p.until = e.at.add(authenticatedFor)
	}
	return d.know(p, e.What)
}

// Restore says which phones were known before a restart. It is to be called first.
func (d *Detector) Restore(now time.Time, known []Phone) {
	d.tick(now)
	known = slices.SortedFunc(slices.Values(known), func(a, b Phone) int { return a.Until.Compare(b.Until) })
	for _, p := range known {
		a := p.Addr.Unmap().WithZone("")
		if !possible(a) || p.Account == "" || now.Sub(p.Until) >= remember {
			continue
		}
		until := d.now.add(min(p.Until.Sub(now), pbx.LongestRegistration))
		since := d.now.add(-min(max(0, now.Sub(p.Since)), remember))
		d.know(phone{addr: a, account: p.Account, transport: p.Transport, proved: p.Proved, since: since, last: min(until, d.now), until: until}, pbx.Registered)
	}
}

// know takes a phone in.
func (d *Detector) know(p phone, what pbx.What) []Verdict {
	p.account = pbx.Text(p.account)
	if old := d.phones.find(p.addr, p.account); old != nil {
		ended := old.until <= d.now
		old.last, old.transport, old.proved = max(old.last, p.last), transport(p.transport), old.proved || p.proved
		old.news = old.news || p.news
		if what == pbx.Authenticated {
			old.until = max(old.until, p.until)
		} else {
			old.until = p.until
		}
		if ended && old.until > d.now {
			old.news = false
			return []Verdict{Trust{d.phone(*old)}}
		}
		return nil
	}
	p.transport = transport(p.transport)
	networks := []netip.Prefix{wide(p.addr)}
	for i := range d.phones.same.all(d.phones.hash(p.account)) {
		o := d.phones.rows[i].value
		p.told = max(p.told, o.told)
		if w := wide(o.addr); d.now.since(o.last) < 24*time.Hour && !slices.Contains(networks, w) {
			networks = append(networks, w)
		}
	}
	var out []Verdict
	if p.until > d.now {
		out = append(out, Trust{d.phone(p)})
		p.news = false
	}
	if len(networks) >= manyNetworks && (p.told == 0 || d.now.since(p.told) >= 24*time.Hour) {
		p.told = d.now
		out = append(out, Tell{Addr: p.addr, Account: p.account, Text: fmt.Sprintf("account %s has proved its password from %d networks in a day, the last time from %s: is it stolen?", p.account, len(networks), p.addr)})
	}
	if !d.phones.add(p) {
		return nil
	}
	return out
}

// transport returns one of those that an observation can have.
func transport(s string) string {
	for _, known := range pbx.Transports {
		if s == known {
			return known
		}
	}
	return "udp"
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

// phone returns a phone by the wall clock.
func (d *Detector) phone(p phone) Phone {
	at := func(m moment) time.Time { return d.wall.Round(0).Add(m.since(d.now)) }
	return Phone{Addr: p.addr, Account: p.account, Transport: p.transport, Proved: p.proved, Since: at(min(p.since, p.until)), Until: at(p.until)}
}

// Phones returns all phones that are known, by address and account: also those whose registration
// has ended in the last seven days.
func (d *Detector) Phones(now time.Time) []Phone {
	d.tick(now)
	phones := make([]Phone, 0, len(d.phones.places))
	for i := d.phones.oldest; i >= 0; i = d.phones.rows[i].newer {
		phones = append(phones, d.phone(d.phones.rows[i].value))
	}
	slices.SortFunc(phones, func(a, b Phone) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Account, b.Account)) })
	return phones
}

// Renewed returns the phones that have proved their password, and for which nothing was returned since:
// no [Trust], and not by Renewed. So whoever is told of phones learns of none that somebody has taken
// away, until it proves its password again.
func (d *Detector) Renewed(now time.Time) []Phone {
	d.tick(now)
	var phones []Phone
	for i := d.phones.oldest; i >= 0; i = d.phones.rows[i].newer {
		if p := &d.phones.rows[i].value; p.news {
			p.news = false
			phones = append(phones, d.phone(*p))
		}
	}
	return phones
}

// Forget says that somebody else has banned a network: there are no phones any more.
func (d *Detector) Forget(n netip.Prefix) { d.phones.forgetIn(n) }

// Keep says which phones there are, by somebody who was told of all that had proved their password at a
// time. Others are forgotten, unless they have proved it since.
func (d *Detector) Keep(now, told time.Time, known []Phone) {
	d.tick(now)
	before := d.now.add(-now.Sub(told))
	keys := make(map[uint64]bool, len(known))
	for _, p := range known {
		keys[d.phones.key(p.Addr.Unmap().WithZone(""), pbx.Text(p.Account))] = true
	}
	d.phones.forgetIf(func(p *phone) bool {
		return p.last < before && !keys[d.phones.key(p.addr, p.account)]
	})
}

// wrongAtSite takes in that a proved password or account was wrong where others were right.
func (d *Detector) wrongAtSite(e event) []Verdict {
	w, right := d.wrong.get(e.source), d.phones.accounts(e.source, crowd)
	if w.one.repeated(e) {
		return nil
	}
	w.one = e.attempt()
	n := 0.0
	if e.Account != "" {
		n = 1
	}
	passed := e.at.since(w.last)
	w.last = max(w.last, e.at)
	w.others.add(0, passed, othersPer*float64(min(right, manyRight)))
	w.day.add(n, passed, toldAt*dayPer)
	tried := spread(w.tried[:])
	if w.day == bucket(n) && tried.n(e.at) == 0 { // all that was before has run out
		w.tally = tally{}
	}
	w.tally.add(e.What, e.at)
	excess := false
	own := d.phones.of(e.Account, e.source)
	if own != nil {
		own.wrong.add(n, e.at.since(own.wrongAt), ownPer)
		own.wrongAt = max(own.wrongAt, e.at)
		excess = own.wrong.full(ownMost)
	} else {
		w.others += bucket(n)
		if e.Account != "" {
			tried.add(e.account, e.at)
		}
		excess = w.others.full(othersMost) || tried.n(e.at) >= max(fewAccounts, min(right, manyOthers))
	}
	evidence := w.tally.evidence(tried.n(e.at))
	addr := e.Source.Addr()
	if !excess {
		if w.day.full(toldAt) && (w.told == 0 || e.at.since(w.told) >= 24*time.Hour) {
			w.told = e.at
			return []Verdict{Tell{Addr: addr, Account: e.Account, Text: fmt.Sprintf("%s from %s, where %s; the last one for account %s", evidence, addr, proved(right), e.Account)}}
		}
		return nil
	}
	reason := evidence.String() + ", where " + proved(right)
	if right >= crowd || d.friend(addr) {
		w.others, w.tried = 0, [manyOthers]try{}
		if own != nil {
			own.wrong = 0
		}
		return d.spare(e, reason)
	}
	d.phones.forgetAll(e.source)
	d.wrong.remove(e.source)
	who := guesser
	if right >= officeAccounts {
		who = anOffice
	}
	return []Verdict{Untrust{Network: prefixOf(addr), Why: reason}, d.ban(e, reason, evidence, who)}
}

// doubted is what is wrong at a site, and not proved.
type doubted struct {
	last  moment
	day   bucket // wrong passwords
	told  moment // 0 if never
	tally tally
}

// doubt takes in that a password was wrong where others were right, which may be forged. It changes
// nothing, but an admin is told: with Asterisk's manager interface alone nothing else shows that
// somebody with one password guesses others.
func (d *Detector) doubt(e event) []Verdict {
	w := d.doubted.get(e.source)
	w.day.add(1, e.at.since(w.last), toldAt*dayPer)
	w.last = max(w.last, e.at)
	if w.day == 1 { // all that was before has run out
		w.tally = tally{}
	}
	w.tally.add(e.What, e.at)
	full := w.day.full(toldAt)
	w.day = min(w.day, toldAt) // lest one burst is told of for days
	if !full || w.told != 0 && e.at.since(w.told) < 24*time.Hour {
		return nil
	}
	if p := d.wrong.peek(e.source); p != nil && e.at.since(p.last) < 24*time.Hour {
		return nil // what is proved says more
	}
	evidence, addr := w.tally.evidence(0), e.Source.Addr()
	*w = doubted{last: w.last, told: e.at}
	return []Verdict{Tell{Addr: addr, Account: e.Account, Text: fmt.Sprintf("%s from %s, where %s, not proved; the last one for account %s: does it guess?",
		evidence, addr, proved(d.phones.accounts(e.source, crowd)), e.Account)}}
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
