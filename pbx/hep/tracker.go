package hep

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/bounded"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/sip"
)

// Numbers of requests that are kept until they are answered for good. Those that have returned a
// nonce are kept apart from those that anybody can forge: an INVITE is answered when somebody picks
// up.
const (
	maxUnproved = 2 << 10
	maxProved   = 4 << 10
)

// repeats is how long a request is repeated by who has no answer: 64 times T1 (RFC 3261, 17.1).
const repeats = 32 * time.Second

// Tracker makes observations of packets. It is pure: its time is that of the packets, and its memory
// is bounded. See the package's comment for what it concludes.
type Tracker struct {
	local    func(netip.Addr) bool
	seed     maphash.Seed
	nonces   nonces
	unproved bounded.Table[request]
	proved   bounded.Table[request]
	calls    bounded.Table[uint64] // the requests, by what does not depend on where the response goes
	foreign  int                   // packets without a direction
}

// NewTracker returns a tracker. local says whether an address is one of the PBX's own.
func NewTracker(local func(netip.Addr) bool) *Tracker {
	return &Tracker{
		local:    local,
		seed:     maphash.MakeSeed(),
		nonces:   newNonces(),
		unproved: bounded.NewTable[request](maxUnproved),
		proved:   bounded.NewTable[request](maxProved),
		calls:    bounded.NewTable[uint64](maxUnproved + maxProved),
	}
}

// direction is where a packet goes.
type direction int

const (
	foreign direction = iota // neither; or both, as within this host
	in
	out
)

// directionOf returns whether a packet has come to the PBX or left it. HEP does not say it: Asterisk
// and Kamailio write the two addresses alone. A stranger can send a packet with any source, also with
// one of the PBX's own, but the PBX is where it goes to; so it is foreign, and never outgoing.
func (t *Tracker) directionOf(p Packet) direction {
	source, destination := t.own(p.Source.Addr()), t.own(p.Destination.Addr())
	switch {
	case source == destination:
		return foreign
	case source:
		return out
	default:
		return in
	}
}

// own: what is bound to all addresses is 0.0.0.0 for Asterisk, and for Kamailio 255.255.255.255 as
// long as it has not chosen one. No packet comes from these.
func (t *Tracker) own(a netip.Addr) bool { return a.IsUnspecified() || a == broadcast || t.local(a) }

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// request is one that the PBX has not yet answered for good.
type request struct {
	seen     pbx.Observation // what is known of it; What is not
	digest   uint64          // hash of its credentials, 0 without
	returned bool            // it has a nonce that was sent to this address alone
	same     bool            // it has a nonce that was sent to this address for this account
	waiting  int             // how many of these requests are not answered yet

	register bool
	contacts int         // how many it has
	removes  bool        // it takes its contacts back
	contact  sip.Address // the first one that it adds
	expires  int         // seconds that it asks for, -1 if it does not say
}

// See takes a packet in, and returns what it shows, if anything.
func (t *Tracker) See(p Packet) (pbx.Observation, bool) {
	direction := t.directionOf(p)
	if direction == foreign {
		t.foreign++
		return pbx.Observation{}, false
	}
	m, err := sip.Read(p.SIP)
	switch {
	case err != nil && direction == in && !keepAlive(p.SIP):
		return pbx.Observation{At: p.At, Source: p.Source, Transport: p.Transport, Proved: connected(p.Transport), What: pbx.Malformed}, true
	case err != nil:
	case direction == in && m.Status == 0:
		t.request(p, &m)
	case direction == out && m.Status != 0:
		return t.response(p, &m)
	}
	// The rest are requests of the PBX, and the answers to them.
	return pbx.Observation{}, false
}

// Lost says that packets are missing. A nonce that was sent in one of them is not known, nor is to
// whom else the known ones were sent: so all are forgotten.
func (t *Tracker) Lost() { t.nonces.forget() }

// keepAlive: phones send line breaks, or a NUL, through a NAT (RFC 5626, 3.5.1).
func keepAlive(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 {
			return false
		}
	}
	return true
}

// connected reports whether a transport has a handshake, which nobody can make for another's address.
func connected(transport string) bool { return transport != "udp" }

func (t *Tracker) request(p Packet, m *sip.Message) {
	if m.Method == "ACK" || m.Method == "CANCEL" { // they are about an INVITE; there is no answer to tell of
		return
	}
	key := t.transaction(p.Source.Addr(), m)
	r := request{digest: t.credentials(m)}
	user, several := "", false
	for _, c := range m.Credentials {
		proved, same := t.nonces.take(p.At, t.nonce(c.Nonce), t.challenge(p.Source.Addr(), c.Nonce, m), p.Source.Addr())
		r.returned = r.returned || proved
		r.same = r.same || same
		several = several || user != "" && c.Username != user
		user = c.Username
	}
	if several { // it is not known which of these passwords was right
		r.same = false
	}
	for _, requests := range []*bounded.Table[request]{&t.proved, &t.unproved} {
		old, ok := requests.Get(key)
		if !ok {
			continue
		}
		if again := p.At.Sub(old.seen.At); old.digest == r.digest && again < repeats && again > -repeats {
			return
		}
		// Another answer to the challenge in the same transaction: a PBX checks each.
		r.waiting = min(old.waiting, 1<<10)
		requests.Remove(key)
	}
	r.waiting++
	r.describe(p, m)
	call := t.call(m)
	before, known := t.calls.Get(call)
	if waits, ok := t.proved.Get(before); r.returned || !known || !ok || waits.waiting == 0 {
		t.calls.Put(call, key) // nobody takes the answer to what is proved for another's
	}
	if r.returned {
		t.proved.Put(key, r)
	} else {
		t.unproved.Put(key, r)
	}
}

// describe notes what is told of a request later.
func (r *request) describe(p Packet, m *sip.Message) {
	r.seen = pbx.Observation{
		At: p.At, Source: p.Source, Transport: p.Transport,
		Proved: r.returned || connected(p.Transport),
		Method: pbx.Text(m.Method), Account: pbx.Text(account(m)), Agent: pbx.Text(m.Agent),
	}
	r.register = m.Method == "REGISTER"
	if !r.register {
		r.seen.Called = pbx.Text(sip.Unescape(m.URI.User))
		return
	}
	r.contacts, r.expires, r.removes = len(m.Contacts), m.Expires, true
	for _, c := range m.Contacts {
		expires := c.Expires
		if expires < 0 {
			expires = m.Expires
		}
		if expires != 0 && !c.All {
			r.removes = false
			r.contact = sip.Address{User: short(c.User), Host: short(c.Host)}
			r.expires = expires
			break
		}
	}
}

// account is whom a request names: by the user name of its credentials, which has one spelling only and
// is what the password is of. Without these it is the From, which a PBX identifies phones by, and for
// a REGISTER the To, whose registration it is.
func account(m *sip.Message) string {
	if len(m.Credentials) > 0 && m.Credentials[0].Username != "" {
		return m.Credentials[0].Username
	}
	if m.CSeqMethod == "REGISTER" && m.To.User != "" {
		return sip.Unescape(m.To.User)
	}
	return sip.Unescape(m.From.User)
}

// short is text for what is only compared.
func short(s string) string { return strings.Clone(s[:min(len(s), pbx.MaxText)]) }

// response takes an answer of the PBX in.
func (t *Tracker) response(p Packet, m *sip.Message) (pbx.Observation, bool) {
	challenged := m.Status == 401 || m.Status == 407
	stale := challenged && t.challenges(p, m)
	r, kept := t.answered(p, m)
	if !kept {
		return pbx.Observation{}, false
	}
	o := r.seen
	o.At = p.At
	switch {
	case m.Repeated || m.Status == 400:
		o.What = pbx.Malformed
	case challenged && r.digest != 0 && !stale:
		o.What = pbx.WrongPassword
	case challenged && scans(m.CSeqMethod):
		o.What = pbx.Scanned
	case challenged:
		o.What = pbx.Asked
	case m.Status == 403:
		o.What = pbx.Refused
	case m.Status == 404 && r.register:
		o.What = pbx.UnknownAccount
	case r.same && m.Status < 300 && (r.register || m.CSeqMethod == "INVITE"):
		r.accepted(&o, m)
	case scans(m.CSeqMethod) && !r.returned && m.Status >= 200:
		o.What = pbx.Scanned
	default:
		return pbx.Observation{}, false
	}
	return o, true
}

// scans reports whether a method only finds out what is there: OPTIONS, or one that no phone has.
func scans(method string) bool {
	switch method {
	case "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "INFO", "UPDATE", "PRACK", "REFER":
		return false
	}
	return true
}

// challenges notes the nonces of a challenge, and returns whether it says that the last one was
// stale.
func (t *Tracker) challenges(p Packet, m *sip.Message) (stale bool) {
	key := t.transaction(p.Destination.Addr(), m)
	_, proved := t.proved.Get(key)
	_, unproved := t.unproved.Get(key)
	to := receiver{addr: p.Destination.Addr().As16(), asked: proved || unproved}
	for _, c := range m.Challenges {
		stale = stale || c.Stale
		if c.Nonce != "" {
			t.nonces.send(p.At, t.nonce(c.Nonce), t.challenge(p.Destination.Addr(), c.Nonce, m), to)
		}
	}
	return stale
}

// answered returns the request that a final response answers. Each is returned once.
// A request that is not known (any more) is made of the response.
func (t *Tracker) answered(p Packet, m *sip.Message) (request, bool) {
	keys := []uint64{t.transaction(p.Destination.Addr(), m)}
	if key, ok := t.calls.Get(t.call(m)); ok && key != keys[0] {
		keys = append(keys, key)
	}
	for _, key := range keys {
		for _, requests := range []*bounded.Table[request]{&t.proved, &t.unproved} {
			r, ok := requests.Get(key)
			if !ok {
				continue
			}
			if r.waiting == 0 || m.Status == 100 || m.Status < 200 && !r.same {
				return request{}, false
			}
			r.waiting--
			requests.Put(key, r)
			return r, true
		}
	}
	if m.Status < 300 {
		return request{}, false
	}
	var r request
	r.register = m.CSeqMethod == "REGISTER"
	// It may not have come from where the answer goes to.
	r.seen = pbx.Observation{Source: p.Destination, Transport: p.Transport, Method: pbx.Text(m.CSeqMethod), Account: pbx.Text(account(m))}
	return r, true
}

// accepted says what a right password was for.
func (r request) accepted(o *pbx.Observation, m *sip.Message) {
	switch {
	case r.register && r.contacts > 0 && r.removes:
		o.What = pbx.Unregistered
	case r.register && r.contacts > 0:
		o.What = pbx.Registered
		o.Until = o.At.Add(min(time.Duration(r.lasts(m))*time.Second, pbx.LongestRegistration))
	default: // a call, or a REGISTER that only asks who is registered
		o.What = pbx.Authenticated
	}
}

// lasts returns for how many seconds a registration was granted. A response lists all contacts of the
// account: the phone's own is the one that it has sent, or that the PBX has made of its
// source. If that is not to be found, the shortest counts.
func (r request) lasts(m *sip.Message) int {
	granted := -1
	for _, c := range m.Contacts {
		if c.Expires < 0 {
			continue
		}
		if short(c.User) == r.contact.User && short(c.Host) == r.contact.Host || c.Host == r.seen.Source.String() {
			return c.Expires
		}
		if granted < 0 || c.Expires < granted {
			granted = c.Expires
		}
	}
	for _, seconds := range []int{granted, m.Expires, r.expires} {
		if seconds >= 0 {
			return seconds
		}
	}
	return defaultExpires
}

// defaultExpires is how long a registration lasts of which nobody has said it (RFC 3261, 10.2).
const defaultExpires = 3600
