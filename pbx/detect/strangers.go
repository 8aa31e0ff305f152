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

	// One attempt over TCP may make several observations of an unknown account.
	sameAttempt = time.Second

	atOncePer = 0.1         // a second: three within five seconds
	hourPer   = 1.0 / 3600  // times Settings.InHour
	dayPer    = 1.0 / 86400 // times Settings.InDay
	accounts  = 4           // of strangers, in a day
)

// stranger is what is proved of a source where nobody has a password.
type stranger struct {
	last              moment // when the buckets were filled last
	atOnce, hour, day bucket
	tally             tally
	tried             [accounts]try
	burst             bool // more came at once than a phone would send

	one    attempt
	method uint32 // hash of that of the attempt
	asked  bool   // it was challenged again since
}

// attempt is the last one: a wrong password, or an account that is unknown.
type attempt struct {
	what    pbx.What
	at      moment
	account uint32
	port    uint16
}

func (e event) attempt() attempt { return attempt{e.What, e.at, e.account, e.Source.Port()} }

// repeated reports whether an observation is of the same attempt.
func (a attempt) repeated(e event) bool {
	if a.what != e.What || a.account != e.account {
		return false
	}
	passed := max(e.at.since(a.at), a.at.since(e.at))
	return e.What == pbx.UnknownAccount && passed < sameAttempt ||
		e.Transport != "udp" && a.port == e.Source.Port() && passed < twice
}

// asked notes that a stranger has begun a new attempt. That is not proved, but it is only asked for
// where wrong passwords are.
func (d *Detector) asked(e event) {
	if s := d.proved.peek(e.source); s != nil && e.What == pbx.Asked && e.account == s.one.account && d.hash(e.Method) == s.method {
		s.asked = true
	}
}

// strange takes in what is proved of a stranger.
func (d *Detector) strange(e event, trap string) []Verdict {
	s := d.proved.get(e.source)
	if s.one.repeated(e) {
		return nil
	}
	reason := trap
	if enough := s.count(e, d.hash(e.Method), d.settings, d.returns(e.source)); trap == "" && !enough {
		return nil
	}
	evidence := s.tally.evidence(spread(s.tried[:]).n(e.at))
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

// count counts what is proved, and returns whether that is enough for a ban.
func (s *stranger) count(e event, method uint32, limits Settings, returns bool) bool {
	atOnce, hour, day := limits.AtOnce, limits.InHour, limits.InDay
	most := accounts
	if returns {
		atOnce, hour, day, most = half(atOnce), half(hour), min(half(hour), day), half(most)
	}
	n, slow := 1.0, 1.0
	switch e.What {
	case pbx.Refused:
		n, slow = 0.5, 0
	case pbx.WrongPassword, pbx.UnknownAccount:
	default: // it is in a trap
		n, slow = 0, 0
	}
	passed := e.at.since(s.last)
	s.last = max(s.last, e.at)
	s.atOnce.add(n, passed, atOncePer)
	s.hour.add(slow, passed, hourPer*float64(hour))
	s.day.add(slow, passed, dayPer*float64(day))
	tried := spread(s.tried[:])
	if s.atOnce == bucket(n) && tried.n(e.at) == 0 { // all that was before has run out
		s.tally = tally{}
	}
	s.tally.add(e.What, e.at)
	if n < 1 {
		s.burst = s.atOnce.full(atOnce)
		return s.burst
	}
	if e.Account != "" {
		tried.add(e.account, e.at)
	}

	one, asked := s.one, s.asked
	s.one, s.method, s.asked = e.attempt(), method, false
	anotherAttempt := one.what == pbx.WrongPassword && e.What == pbx.WrongPassword && e.at.since(one.at) < soon &&
		(one.account == e.account && asked || one.account != e.account && one.port == e.Source.Port())
	s.burst = anotherAttempt || s.atOnce.full(atOnce)
	return s.burst || s.hour.full(hour) || s.day.full(day) || tried.n(e.at) >= most
}

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
