package ami

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// A listing costs Asterisk some microseconds a contact. So that it takes no more than 2 % of its
// time, as many times the last one's duration pass between two.
const (
	listingRest   = 2 * time.Second
	listingFactor = 50
	listingLimit  = time.Minute // after which there will be no answer
)

// listing lists the contacts of registered phones, when somebody has proved a password. It asks for
// them in Asterisk's database, since PJSIPShowContacts needs write=system, with which one can load modules.
// Where contacts are kept elsewhere (sorcery.conf), none are found.
type listing struct {
	session *session
	timer   *time.Timer // when the next one is due, or the present one has taken too long
	planned bool        // the timer runs
	asked   string      // the ActionID of the present one
	begun   time.Time
	next    time.Time // when there may be another
}

func newListing(s *session) listing {
	l := listing{session: s, timer: time.NewTimer(time.Hour)}
	l.timer.Stop()
	s.client.tracker.lists(true)
	return l
}

// plan plans the next listing, if there is a reason for one.
func (l *listing) plan() {
	if l.planned || !l.session.client.tracker.wantsContacts() {
		return
	}
	l.planned = true
	l.timer.Reset(max(settled, time.Until(l.next)))
}

// due asks for a listing. If one is not yet over, Asterisk hangs in it.
func (l *listing) due() (err error) {
	if l.asked != "" {
		l.over("Asterisk has not ended a list of contacts")
		return nil
	}
	l.begun = time.Now()
	l.asked, err = l.session.ask("DBGetTree", "Family: registrar/contact")
	l.timer.Reset(listingLimit)
	return err
}

// over ends a listing, and plans the next. problem is why registrations are not known.
func (l *listing) over(problem string) {
	l.asked, l.planned = "", false
	l.timer.Stop()
	l.session.client.note(func(h *Health) { h.Contacts = problem })
	now := time.Now()
	l.next = now.Add(max(listingRest, listingFactor*now.Sub(l.begun)))
	l.plan()
}

// take takes the answer, an item, or the end of a listing.
func (l *listing) take(m message) error {
	c := l.session.client
	switch kind, name := m.fields[0].key, m.fields[0].value; {
	case kind == "Response" && name != "Success":
		c.tracker.lists(false)
		l.over("Asterisk lists no contacts: " + pbx.Text(m.get("Message")))
	case kind == "Event" && name == "DBGetTreeResponse":
		if contact, ok := contactOf(m); ok {
			if o, ok := c.tracker.contact(contact, l.begun); ok {
				c.see(o)
			}
		}
	case m.get("EventList") == "Complete":
		c.tracker.listed(l.begun, c.see)
		l.over("")
	}
	return nil
}

// contactOf parses an item of a listing: a contact as the registrar keeps it.
func contactOf(m message) (contact, bool) {
	var v struct {
		Endpoint string `json:"endpoint"`
		CallID   string `json:"call_id"`
		Agent    string `json:"user_agent"`
		Until    string `json:"expiration_time"`
	}
	if err := json.Unmarshal([]byte(m.get("Val")), &v); err != nil {
		return contact{}, false
	}
	seconds, err := strconv.ParseInt(v.Until, 10, 64)
	return contact{v.Endpoint, v.CallID, v.Agent, time.Unix(seconds, 0)}, err == nil && v.CallID != ""
}
