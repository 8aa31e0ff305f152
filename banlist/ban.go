package banlist

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/deadline"
)

// slack is how far two clocks may drift apart before one of them counts as set.
const slack = deadline.Slack

// Clock is one moment by all clocks of the host.
type Clock = deadline.Clock

// Ban is an address or network that this host has banned for one reason. An address
// banned for several reasons is free when the last of these bans ends.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"` // what is blocked

	// Address is the banned address, if Prefix is the network around it.
	Address netip.Prefix `json:"address,omitzero"`

	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"` // by the wall clock; zero: no end
	Reason string    `json:"reason,omitempty"`

	// Evidence says what the banned address did, if voipbl has seen that itself.
	Evidence string `json:"evidence,omitempty"`

	For  time.Duration `json:"-"` // how long it was made for; 0: no end
	Ends time.Duration `json:"-"` // when it ends, in [Clock.Up] of this boot
}

// New returns a ban that begins now.
func New(prefix netip.Prefix, reason string, last time.Duration, now Clock) Ban {
	b := Ban{Prefix: prefix, At: now.Wall.UTC().Truncate(time.Second), Reason: reason, For: last}
	if last > 0 {
		b.Ends = now.Up + last
		b.Until = now.Wall.Add(last).UTC().Truncate(time.Second)
	}
	return b
}

// Why returns the reason of a ban with its evidence.
func (b Ban) Why() string {
	if b.Evidence == "" {
		return b.Reason
	}
	return b.Reason + ": " + b.Evidence
}

// Possible reports whether the journal can have a line for a ban of p.
func Possible(p netip.Prefix) bool { return p.IsValid() && p.Bits() > 0 }

// left returns the remaining time of a ban; forever is true if it has no end.
func (b Ban) left(now Clock) (left time.Duration, forever bool) {
	return b.Ends - now.Up, b.For == 0
}

// compare orders bans for listings.
func compare(a, b Ban) int {
	return cmp.Or(
		cidr.FromNetip(a.Prefix).Compare(cidr.FromNetip(b.Prefix)),
		a.At.Compare(b.At), strings.Compare(a.Reason, b.Reason), a.Address.Addr().Compare(b.Address.Addr()))
}
