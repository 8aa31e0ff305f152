package ami

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/bounded"
	"github.com/voipbl/voipbl/pbx"
)

// Numbers of what is remembered. Anybody can make more requests that name an account, and push out
// others: then an attempt counts twice. Only who has a password can make more calls.
const (
	maxNamed = 4 << 10
	maxCalls = 8 << 10
)

// namedFor is for how long it is remembered that a request has named an account. What Asterisk
// says next of the same request comes within a millisecond, or with a busy PBX within seconds.
const namedFor = 10 * time.Second

// A contact is there some time after its request was found right. So it is looked for in the first
// listings that begin after settled, as many as looks.
const (
	settled = time.Second
	looks   = 2
)

// unknown is the account in events about a request of which Asterisk does not know the account.
// It says more of the request in another event, before it.
const unknown = "<unknown>"

// tracker makes observations of events and contacts.
type tracker struct {
	seed    maphash.Seed
	named   bounded.Table[named] // requests of which another event is still to come
	answers repeats              // wrong answers to challenges
	calls   bounded.Table[call]  // of who has proved a password
	open    []uint64             // the calls of which contacts are looked for

	noContacts bool // Asterisk lists no contacts, so that calls are of no use
}

// named is what an event has said of a request that the next one does not name.
type named struct {
	at      time.Time
	account string
	refused bool // the account exists
}

// call is what is known of an account and a Call-ID: the registration of a phone keeps both.
type call struct {
	source    netip.AddrPort
	transport string
	account   string
	at        time.Time // when a password was proved
	until     time.Time // when the registration ends, as it was last said
	looks     int       // in how many listings it is still looked for
	listed    bool      // it is in the present one
}

// contact is what Asterisk's registrar has of a registered phone. Its address is not
// here: it is one that the phone chooses.
type contact struct {
	account, session, agent string
	until                   time.Time
}

func newTracker() *tracker {
	return &tracker{
		seed:    maphash.MakeSeed(),
		named:   bounded.NewTable[named](maxNamed),
		answers: newRepeats(),
		calls:   bounded.NewTable[call](maxCalls),
	}
}

// hash returns the hash of texts. Strangers do not know the seed.
func (t *tracker) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range texts {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// see returns what an event says, or false if that is nothing.
func (t *tracker) see(e event, now time.Time) (pbx.Observation, bool) {
	what, account := t.what(e, now)
	o := pbx.Observation{
		At: now, Source: e.source, Transport: e.transport, Proved: e.transport != "udp" || what == pbx.Authenticated,
		Account: pbx.Text(account), What: what,
	}
	return o, what != ""
}

// what returns what an event says of which account.
func (t *tracker) what(e event, now time.Time) (pbx.What, string) {
	request := t.hash(e.source.String(), e.session)
	switch {
	case e.service == "AMI" && (e.name == "InvalidPassword" || e.name == "InvalidAccountID"):
		return pbx.WrongPassword, e.account
	case e.service != "PJSIP":
		return "", ""
	case e.name == "InvalidAccountID":
		t.named.Put(request, named{at: now, account: pbx.Text(e.account)})
		return pbx.UnknownAccount, e.account
	case e.name == "FailedACL" && strings.HasPrefix(e.acl, "not_match_"):
		t.named.Put(request, named{at: now, refused: true})
		return pbx.Refused, e.account
	case e.name == "SuccessfulAuth" && e.password:
		t.authenticated(e, now)
		return pbx.Authenticated, e.account
	case e.name == "ChallengeSent" && e.account == unknown:
		if _, ok := t.takeNamed(request, now); ok {
			return "", ""
		}
		return pbx.UnknownAccount, "" // a stranger has broken the event that named it
	case e.name == "ChallengeSent":
		return pbx.Asked, e.account
	case e.name != "ChallengeResponseFailed":
		return "", ""
	}
	account := e.account
	if account == unknown {
		n, _ := t.takeNamed(request, now)
		if n.refused { // whatever the password is
			return "", ""
		}
		account = n.account
	}
	if e.transport == "udp" && t.answers.repeated(t.hash(e.source.Addr().String(), e.session, account, e.challenge, e.response), e.source.Addr(), now) {
		return pbx.Asked, account
	}
	return pbx.WrongPassword, account
}

// takeNamed returns what the event before has said of a request, once.
func (t *tracker) takeNamed(request uint64, now time.Time) (named, bool) {
	n, ok := t.named.Get(request)
	if !ok || now.Sub(n.at) >= namedFor {
		return named{}, false
	}
	t.named.Remove(request)
	return n, true
}

// authenticated remembers where a call comes from, so that a contact can be joined with it.
func (t *tracker) authenticated(e event, now time.Time) {
	if t.noContacts {
		return
	}
	key := t.hash(e.account, e.session)
	c, _ := t.calls.Get(key)
	if c.looks == 0 {
		t.open = append(t.open, key)
	}
	c.source, c.transport, c.account, c.at, c.looks, c.listed = e.source, e.transport, pbx.Text(e.account), now, looks, false
	t.calls.Put(key, c)
	if len(t.open) > 2*maxCalls {
		t.tidy()
	}
}

// tidy leaves the calls open that are in the table, each once: of those that were pushed out some have
// come again. So at least maxCalls come before it is to be done again.
func (t *tracker) tidy() {
	had := make(map[uint64]bool, maxCalls)
	t.open = slices.DeleteFunc(t.open, func(key uint64) bool {
		_, ok := t.calls.Get(key)
		gone := !ok || had[key]
		had[key] = true
		return gone
	})
}

// lists says whether Asterisk lists contacts. If not, nothing is kept for that.
func (t *tracker) lists(can bool) {
	t.noContacts = !can
	if !can {
		t.open, t.calls = nil, bounded.NewTable[call](maxCalls)
	}
}

// wantsContacts returns whether contacts are to be listed: somebody has proved a password, and may
// have registered by that, or taken a registration back.
func (t *tracker) wantsContacts() bool { return len(t.open) > 0 }

// contact returns what an item of a listing says that was begun at a time.
func (t *tracker) contact(c contact, begun time.Time) (pbx.Observation, bool) {
	key := t.hash(c.account, c.session)
	of, ok := t.calls.Get(key)
	if !ok || begun.Sub(of.at) < settled || !c.until.After(begun) {
		return pbx.Observation{}, false
	}
	news := of.looks == looks || c.until.After(of.until)
	of.listed, of.until = true, c.until
	t.calls.Put(key, of)
	o := of.observation(pbx.Registered, begun)
	o.Agent, o.Until = pbx.Text(c.agent), begun.Add(min(c.until.Sub(begun), pbx.LongestRegistration))
	return o, news
}

// listed ends the listing that was begun at a time, and calls see for those who are no longer in it.
func (t *tracker) listed(begun time.Time, see func(pbx.Observation)) {
	still := t.open[:0]
	for _, key := range t.open {
		c, ok := t.calls.Get(key)
		if !ok {
			continue
		}
		if begun.Sub(c.at) < settled {
			still = append(still, key)
			continue
		}
		gone := !c.listed && !c.until.IsZero()
		c.looks--
		c.listed = false
		if c.looks > 0 {
			still = append(still, key)
		} else if gone {
			c.until = time.Time{}
			see(c.observation(pbx.Unregistered, begun))
		}
		t.calls.Put(key, c)
	}
	t.open = still
}

func (c call) observation(what pbx.What, now time.Time) pbx.Observation {
	return pbx.Observation{At: now, Source: c.source, Transport: c.transport, Proved: true, Account: c.account, What: what}
}
