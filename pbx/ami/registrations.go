package ami

import (
	"time"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/sip"
)

// Registrations are listed when the session begins, when Asterisk says that one has succeeded or that
// it has read its configuration anew, and every registrationsEvery: so whoever keeps them knows
// which are gone.
// The rest between two is so long that registrations which are renewed all the time cost little.
const (
	registrationsEvery = time.Hour
	registrationsRest  = 10 * time.Second
)

// registrations lists where Asterisk itself is registered: its providers, as its configuration names
// them. No packet changes that list.
type registrations struct {
	session *session
	timer   *time.Timer // when the next one is due, or the present one has taken too long
	asked   string      // the ActionID of the present one
	planned bool        // another one is wanted soon, by what has changed since it was asked for last
	last    time.Time   // when the last one was over
}

func newRegistrations(s *session) registrations {
	return registrations{session: s, timer: time.NewTimer(listingRest)}
}

// plan has registrations listed soon. What changes while that is planned does not put it off.
func (l *registrations) plan() {
	if l.planned {
		return
	}
	l.planned = true
	if l.asked == "" {
		l.timer.Reset(max(listingRest, time.Until(l.last.Add(registrationsRest))))
	}
}

// due asks for a listing. If one is not yet over, Asterisk hangs in it.
func (l *registrations) due() (err error) {
	if l.asked != "" {
		l.over()
		return nil
	}
	l.planned = false
	l.asked, err = l.session.ask("PJSIPShowRegistrationsOutbound")
	l.timer.Reset(listingLimit)
	return err
}

func (l *registrations) over() {
	l.asked, l.last = "", time.Now()
	l.timer.Reset(registrationsEvery)
	if l.planned {
		l.timer.Reset(registrationsRest)
	}
}

// take takes the answer, an item, or the end of a listing. Without the module for registrations the
// answer is an error.
func (l *registrations) take(m message) {
	switch {
	case m.is("Response") && m.fields[0].value != "Success", m.get("EventList") == "Complete":
		l.over()
	case m.is("Event") && m.fields[0].value == "OutboundRegistrationDetail":
		for _, o := range trunksOf(m, time.Now()) {
			l.session.client.see(o)
		}
	}
}

// trunksOf returns the servers of a registration, if Asterisk is registered there: calls may come from
// the registrar and from the proxy before it.
func trunksOf(m message, now time.Time) (all []pbx.Observation) {
	if m.get("Status") != "Registered" {
		return nil
	}
	client := sip.AddressOf(m.get("ClientUri"))
	for _, uri := range []string{m.get("ServerUri"), m.get("OutboundProxy")} {
		host := sip.AddressOf(uri).HostName()
		if host == "" || len(host) > pbx.MaxText || pbx.Text(host) != host {
			continue
		}
		all = append(all, pbx.Observation{At: now, Proved: true, What: pbx.Trunk, Account: pbx.Text(client.User), Called: host})
	}
	return all
}
