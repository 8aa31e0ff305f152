package ami

import (
	"time"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/sip"
)

// Registrations are listed when the session begins, when Asterisk says that one has succeeded or that
// it has read its configuration anew, and every registrationsEvery: so whoever keeps them knows
// which are gone.
const registrationsEvery = time.Hour

// registrations lists where Asterisk itself is registered: its providers, as its configuration names
// them. No packet changes that list.
type registrations struct {
	session *session
	timer   *time.Timer // when the next one is due, or the present one has taken too long
	asked   string      // the ActionID of the present one
	again   bool        // something has changed since it was asked for
}

func newRegistrations(s *session) registrations {
	return registrations{session: s, timer: time.NewTimer(listingRest)}
}

// plan has registrations listed soon.
func (l *registrations) plan() {
	if l.asked != "" {
		l.again = true
		return
	}
	l.timer.Reset(listingRest)
}

// due asks for a listing. If one is not yet over, Asterisk hangs in it.
func (l *registrations) due() (err error) {
	if l.asked != "" {
		l.over()
		return nil
	}
	l.asked, err = l.session.ask("PJSIPShowRegistrationsOutbound")
	l.timer.Reset(listingLimit)
	return err
}

func (l *registrations) over() {
	l.asked = ""
	l.timer.Reset(registrationsEvery)
	if l.again {
		l.again = false
		l.plan()
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
