package known

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/pbx"
)

// Path is the agent's path for phones: POST a [Request], get an [Answer].
const Path = "/phones"

const (
	// MostAsked is how many phones one request may name, and MostForgotten how many networks.
	MostAsked     = 1000
	MostForgotten = 1000

	// maxBody is the most bytes of a request: room for MostAsked phones with long accounts.
	maxBody = 1 << 20

	// newSince is how far in the future the time since when a phone is known may be: the clock
	// of the PBX is the same as this host's.
	newSince = time.Minute
)

// Request tells the agent of phones. Each costs reading and writing the list, so whoever watches
// a PBX with many phones should collect what it sees for a second.
type Request struct {
	Phones []Seen         `json:"phones,omitempty"`
	Forget []netip.Prefix `json:"forget,omitempty"` // take all phones in these networks off the list
}

// Seen is a phone that has proved its password. Nothing that it says of itself may get in here,
// except its account, which the proof is for.
type Seen struct {
	Addr      netip.Addr `json:"addr"`
	Account   string     `json:"account"`
	Transport string     `json:"transport"`
	Since     time.Time  `json:"since"` // when it was seen
	Until     time.Time  `json:"until"` // the end of its registration; Since if there is none, or if it was taken back
}

// Answer is the result of a Request.
type Answer struct {
	Known   int       `json:"known"`             // phones on the list
	Refused []Refusal `json:"refused,omitempty"` // phones that were not taken
	Forgot  int       `json:"forgot"`            // phones taken off the list
	Problem string    `json:"problem,omitempty"` // what could not be done; the rest was, unless Undone
	Undone  bool      `json:"undone,omitempty"`  // nothing was done: it is to be asked again
	Listed  bool      `json:"listed"`            // a list blocks one of these; that ends with the next apply, which is under way
}

// Refusal is an address that was not taken, and why.
type Refusal struct {
	Addr netip.Addr `json:"addr"`
	Why  string     `json:"why"`

	// Exempt is why: it is never banned.
	Exempt bool `json:"exempt,omitempty"`

	// Banned is why: a ban counts more than a password, and takes a phone away until it proves its
	// password again.
	Banned bool `json:"banned,omitempty"`

	// Later says that it may be taken if it is asked for again.
	Later bool `json:"later,omitempty"`
}

// check returns an error if a request is none that voipbl makes.
func (r Request) check() error {
	if len(r.Phones) > MostAsked || len(r.Forget) > MostForgotten {
		return fmt.Errorf("%d phones and %d networks are more than %d and %d", len(r.Phones), len(r.Forget), MostAsked, MostForgotten)
	}
	for _, s := range r.Phones {
		switch {
		case !s.Addr.IsValid() || s.Addr.Zone() != "" || s.Addr.Is4In6():
			return fmt.Errorf("%q is no address", s.Addr)
		case s.Account == "" || s.Account != pbx.Text(s.Account):
			return fmt.Errorf("%q is no account", pbx.Text(s.Account))
		case !slices.Contains(pbx.Transports[:], s.Transport):
			return fmt.Errorf("%q is no transport", pbx.Text(s.Transport))
		case s.Since.IsZero() || s.Until.Before(s.Since):
			return fmt.Errorf("%s is seen at %s until %s", s.Addr, s.Since, s.Until)
		}
	}
	for _, n := range r.Forget {
		if !n.IsValid() || n.Bits() == 0 || n.Addr().Is4In6() {
			return fmt.Errorf("%q is no network", n)
		}
	}
	return nil
}

// phone returns what a sight is on a list that is written now, or why it is refused.
func (s Seen) phone(now deadline.Clock) (p Phone, why string) {
	p = Phone{Addr: s.Addr, Account: s.Account, Transport: s.Transport, Since: s.Since.UTC().Truncate(time.Second)}
	p.Left = min(s.Until.Sub(now.Wall), pbx.LongestRegistration)
	host := cidr.FromNetip(netip.PrefixFrom(s.Addr, s.Addr.BitLen()))
	if space, never := cidr.FindNeverBanned(host); never {
		return p, "it is in space that is never blocked: " + space.Name
	}
	switch {
	case s.Since.After(now.Wall.Add(newSince)):
		return p, "it was seen in the future"
	case p.Left <= -ListGrace:
		return p, "its time is over"
	}
	return p, ""
}

// change returns the list after a request. banned reports whether an address is banned: a ban
// counts more than a password.
func (l List) change(r Request, now deadline.Clock, banned func(netip.Addr) bool) (List, Answer) {
	var a Answer
	l = l.At(now)
	l, gone := l.without(r.Forget)
	a.Forgot = len(gone)
	var phones []Phone
	for _, s := range r.Phones {
		p, why := s.phone(now)
		isBanned := why == "" && !l.Has(s.Addr) && banned(s.Addr)
		if isBanned {
			why = "it is banned"
		}
		if why != "" {
			a.Refused = append(a.Refused, Refusal{Addr: s.Addr, Why: why, Banned: isBanned})
			continue
		}
		phones = append(phones, p)
	}
	l = l.with(phones)
	a.Known = len(l.Phones)
	return l, a
}
