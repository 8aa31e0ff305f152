package detect

import (
	"time"

	"github.com/voipbl/voipbl/pbx"
)

const (
	// An attempt of a program follows the one before within this time. Phones take longer.
	soon = 2 * time.Second

	// Over TCP, two sources of observations may both prove one failure. They see it at nearly the same
	// time.
	twice = 10 * time.Millisecond

	atOncePer = 0.1         // a second: three within five seconds
	hourPer   = 1.0 / 3600  // times Settings.InHour
	dayPer    = 1.0 / 86400 // times Settings.InDay
	accounts  = 4           // of strangers, in a day
)

// stranger is what a source has tried where nobody has a password.
type stranger struct {
	last              moment // when the buckets were filled last
	atOnce, hour, day bucket
	tally             tally
	tried             [accounts]try

	one    attempt
	method uint32 // hash of that of the attempt
	asked  bool   // it was challenged again since
	burst  bool   // more came at once than a phone would send
}

// attempt is the last one: a wrong password, a refusal, or what is in a trap.
type attempt struct {
	at      moment
	account uint32
	port    uint16
	kind    uint8 // by kindOf
	twice   bool  // it was seen again
}

func (e event) attempt() attempt {
	return attempt{at: e.at, account: e.account, port: e.Source.Port(), kind: kindOf(e.What)}
}

// repeated reports whether an observation is of the same attempt. One is: the next is another attempt, of
// a program that does not wait.
func (a *attempt) repeated(e event) bool {
	again := !a.twice && a.kind == kindOf(e.What) && a.account == e.account && e.Transport != "udp" && a.port == e.Source.Port() &&
		max(e.at.since(a.at), a.at.since(e.at)) < twice
	a.twice = a.twice || again
	return again
}

// asked notes that a stranger has begun a new attempt. That is not proved, but it is only asked for
// where wrong passwords are.
func (d *Detector) asked(e event) {
	if e.What != pbx.Asked {
		return
	}
	method := d.hash(e.Method)
	if s := d.proved.peek(e.source); s != nil {
		s.challenged(e, method)
	}
	if s := d.unproved.peek(e.source); s != nil {
		s.challenged(e, method)
	}
}

func (s *stranger) challenged(e event, method uint32) {
	s.asked = s.asked || e.account == s.one.account && method == s.method
}

// strange takes in what is proved of a stranger.
func (d *Detector) strange(e event, trap string) []Verdict {
	s := d.proved.get(e.source)
	if s.one.repeated(e) {
		return nil
	}
	limits := d.limits(e.source)
	s.fade(e.at, limits)
	n, slow := weight(e.What)
	enough := s.count(e, d.hash(e.Method), n, slow, limits)
	if trap == "" && !enough && (e.What != pbx.WrongPassword || !d.hostile(e.source, e.at)) {
		return nil
	}
	evidence := s.evidence(e.at)
	reason := trap
	if trap == "" {
		reason = evidence.String()
	}
	if d.friend(e.Source.Addr()) {
		d.proved.remove(e.source)
		return d.spare(e, reason)
	}
	who := guesser
	if trap == "" && evidence.Accounts <= 1 && !s.burst {
		who = maybePhone
	}
	return []Verdict{d.ban(e, reason, evidence, who)}
}

// limits are how much is enough for a ban.
type limits struct{ atOnce, hour, day, accounts int }

// limits returns how much is enough of a source.
func (d *Detector) limits(s source) limits {
	l := limits{d.settings.AtOnce, d.settings.InHour, d.settings.InDay, accounts}
	if d.returns(s) {
		l = limits{half(l.atOnce), half(l.hour), min(half(l.hour), l.day), half(l.accounts)}
	}
	return l
}

// weight returns how much a kind counts at once, and for hours.
func weight(w pbx.What) (n, slow float64) {
	switch w {
	case pbx.WrongPassword:
		return 1, 1
	case pbx.Refused:
		return 0.5, 0
	}
	return 0, 0
}

// fade lets run out what came before a moment.
func (s *stranger) fade(at moment, l limits) {
	passed := at.since(s.last)
	s.last = max(s.last, at)
	s.atOnce.add(0, passed, atOncePer)
	s.hour.add(0, passed, hourPer*float64(l.hour))
	s.day.add(0, passed, dayPer*float64(l.day))
	if s.atOnce == 0 && s.day == 0 && spread(s.tried[:]).n(at) == 0 {
		s.tally = tally{}
	}
}

// count counts what has come, and returns whether that is enough for a ban.
func (s *stranger) count(e event, method uint32, n, slow float64, l limits) bool {
	s.atOnce += bucket(n)
	s.hour += bucket(slow)
	s.day += bucket(slow)
	s.tally.add(e.What, e.at)
	if n < 1 {
		s.burst = s.atOnce.full(l.atOnce)
		return s.burst
	}
	tried := spread(s.tried[:])
	if e.Account != "" {
		tried.add(e.account, e.at)
	}
	one, asked := s.one, s.asked
	s.one, s.method, s.asked = e.attempt(), method, false
	wrong := kindOf(pbx.WrongPassword)
	anotherAttempt := one.kind == wrong && s.one.kind == wrong && e.at.since(one.at) < soon &&
		(one.account == e.account && asked || one.account != e.account && one.port == e.Source.Port())
	s.burst = anotherAttempt || s.atOnce.full(l.atOnce)
	return s.burst || s.hour.full(l.hour) || s.day.full(l.day) || tried.n(e.at) >= l.accounts
}

// evidence is what has been counted.
func (s *stranger) evidence(at moment) Evidence { return s.tally.evidence(spread(s.tried[:]).n(at)) }

// half is what is enough of those who were banned before.
func half(n int) int { return max(2, n/2) }

// spread is which accounts were tried within a day. It has a fixed number of places.
type spread []try

type try struct {
	account, second uint32 // second is 0 in a place that is free
}

func (s spread) add(account uint32, at moment) {
	second := seconds(at)
	oldest := 0
	for i := range s {
		if s[i].account == account && s[i].second != 0 {
			s[i].second = max(s[i].second, second)
			return
		}
		if s[i].second < s[oldest].second {
			oldest = i
		}
	}
	s[oldest].account, s[oldest].second = account, second
}

func (s spread) n(now moment) int {
	n := 0
	for i := range s {
		if s[i].second != 0 && s[i].second+24*60*60 > seconds(now) {
			n++
		}
	}
	return n
}

// seconds are not 0, since no moment is before the detector's first one, and enough for a century.
func seconds(m moment) uint32 { return uint32(m / moment(time.Second)) }
