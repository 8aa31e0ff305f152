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
	phonePace = time.Hour   // the longest ban of what may be a phone
	accounts  = 4           // of strangers, in a day
)

// stranger is what is proved of a source where nobody has a password.
type stranger struct {
	last              moment // when the buckets were filled last
	atOnce, hour, day bucket
	tally             tally
	tried             [accounts]try
	burst             bool // more came at once than a phone would send

	// The last wrong password or unknown account.
	what    pbx.What
	at      moment
	account uint32
	method  string
	port    uint16
	asked   bool // it was challenged again since
}

// asked notes that a stranger has begun a new attempt. That is not proved, but it is only asked for
// where wrong passwords are.
func (d *Detector) asked(e event) {
	if s := d.proved.peek(e.source); s != nil && e.What == pbx.Asked && e.account == s.account && e.Method == s.method {
		s.asked = true
	}
}

// strange takes in what is proved of a stranger.
func (d *Detector) strange(e event, trap string) []Verdict {
	s := d.proved.get(e.source)
	if s.repeated(e) {
		return nil
	}
	reason := trap
	if enough := s.count(e, d.settings, d.returns(e.source)); trap == "" && !enough {
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

// repeated reports whether an observation is of an attempt that has been counted.
func (s *stranger) repeated(e event) bool {
	if s.what != e.What || s.account != e.account || s.at == 0 {
		return false
	}
	passed := max(e.at.since(s.at), s.at.since(e.at))
	return e.What == pbx.UnknownAccount && passed < sameAttempt ||
		e.Transport != "udp" && s.port == e.Source.Port() && passed < twice
}

// count counts what is proved, and returns whether that is enough for a ban.
func (s *stranger) count(e event, limits Settings, returns bool) bool {
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
	if s.day == bucket(slow) && s.atOnce == bucket(n) { // all that was before has run out
		s.tally = tally{}
	}
	s.tally.add(e.What, e.at)
	if n < 1 {
		s.burst = s.atOnce.full(atOnce)
		return s.burst
	}
	if e.Account != "" {
		spread(s.tried[:]).add(e.account, e.at)
	}

	anotherAttempt := s.what == pbx.WrongPassword && e.What == pbx.WrongPassword && e.at.since(s.at) < soon &&
		(s.account == e.account && s.asked || s.account != e.account && s.port == e.Source.Port())
	s.what, s.at, s.account, s.method, s.port, s.asked = e.What, e.at, e.account, e.Method, e.Source.Port(), false
	s.burst = anotherAttempt || s.atOnce.full(atOnce)
	return s.burst || s.hour.full(hour) || s.day.full(day) || spread(s.tried[:]).n(e.at) >= most
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

// seconds are not 0, and enough for a century.
func seconds(m moment) uint32 { return uint32(m/moment(time.Second)) + 1 }
