package ami

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/sip"
)

// Trunks are listed when the session begins, when Asterisk says that a registration has succeeded or
// that it has read its configuration anew, and every trunksEvery: so whoever keeps them knows which are
// gone. The rest between two is so long that registrations which are renewed all the time cost little.
const (
	trunksEvery = time.Hour
	trunksRest  = 10 * time.Second
)

// trunkActions list what Asterisk's configuration has of trunks, and how that is. No packet makes an
// item of these lists but a phone that registers by IAX2: those are left out. chan_sip has its own list,
// but with it nothing is believed.
var trunkActions = []string{"PJSIPShowRegistrationsOutbound", "IAXregistry", "IAXpeerlist"}

// trunks lists where Asterisk itself is registered, and its peers by IAX2 with an address.
type trunks struct {
	session *session
	timer   *time.Timer // when the next listing is due, or the present one has taken too long
	actions []string    // those that this Asterisk has
	rest    []string    // those that are still to be asked for this time
	asked   string      // the ActionID of the present one
	planned bool        // another listing is wanted soon, by what has changed since this one was begun
	last    time.Time   // when the last one was over
}

func newTrunks(s *session) trunks {
	l := trunks{session: s, timer: time.NewTimer(time.Hour)}
	l.timer.Stop()
	return l
}

// begin plans the first listing. commands is the answer to ListCommands.
func (l *trunks) begin(commands message) {
	for _, a := range trunkActions {
		if commands.get(a) != "" {
			l.actions = append(l.actions, a)
		}
	}
	l.plan()
}

// plan has trunks listed soon. What changes while that is planned does not put it off.
func (l *trunks) plan() {
	if l.planned || len(l.actions) == 0 {
		return
	}
	l.planned = true
	if l.asked == "" {
		l.timer.Reset(max(listingRest, time.Until(l.last.Add(trunksRest))))
	}
}

// due begins a listing. If one is not yet over, Asterisk hangs in it.
func (l *trunks) due() error {
	if l.asked != "" {
		l.over()
		return nil
	}
	l.planned, l.rest = false, l.actions
	return l.next()
}

// next asks for what is still to be listed.
func (l *trunks) next() (err error) {
	if len(l.rest) == 0 {
		l.over()
		return nil
	}
	l.asked, err = l.session.ask(l.rest[0])
	l.rest = l.rest[1:]
	l.timer.Reset(listingLimit)
	return err
}

func (l *trunks) over() {
	l.asked, l.last = "", time.Now()
	l.timer.Reset(trunksEvery)
	if l.planned {
		l.timer.Reset(trunksRest)
	}
}

// take takes the answer, an item, or the end of a listing.
func (l *trunks) take(m message) error {
	if m.is("Response") && m.fields[0].value != "Success" || m.get("EventList") == "Complete" {
		return l.next()
	}
	account, hosts := trunksOf(m)
	for _, host := range hosts {
		if text := pbx.Text(host); host != "" && text == host {
			l.session.client.see(pbx.Observation{At: time.Now(), Proved: true, What: pbx.Trunk, Account: pbx.Text(account), Called: text})
		}
	}
	return nil
}

// trunksOf returns the hosts of an item, and whom Asterisk is registered there as, if it is. Calls may
// come from a registrar, and from the proxy before it.
func trunksOf(m message) (account string, hosts []string) {
	switch name := m.get("Event"); {
	case name == "OutboundRegistrationDetail" && m.get("Status") == "Registered":
		return sip.AddressOf(m.get("ClientUri")).User, []string{sip.AddressOf(m.get("ServerUri")).HostName(), sip.AddressOf(m.get("OutboundProxy")).HostName()}
	case name == "RegistryEntry" && m.get("State") == "Registered":
		return m.get("Username"), []string{sip.Address{Host: m.get("Host")}.HostName()}
	case name == "PeerEntry" && m.get("Channeltype") == "IAX" && m.get("Dynamic") == "no":
		if a, err := netip.ParseAddr(m.get("IPaddress")); err == nil && !a.IsUnspecified() {
			return "", []string{a.String()}
		}
	}
	return "", nil
}
