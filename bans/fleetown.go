package bans

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/state"
)

// This file is what other hosts of the fleet may know of this host's own bans.

// changes counts changes for those who wait for the next one. The zero value is none; no number is one of
// another process, unless a clock was set back.
type changes struct {
	mu   sync.Mutex
	last uint64
	more chan struct{} // closed with the next one
}

// since returns the number of the last change, and a channel that is closed with the next one.
func (c *changes) since() (uint64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin()
	return c.last, c.more
}

func (c *changes) begin() {
	if c.more == nil {
		c.last, c.more = uint64(time.Now().UnixNano()), make(chan struct{})
	}
}

// another notes a change.
func (c *changes) another() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin()
	c.last++
	close(c.more)
	c.more = make(chan struct{})
}

// OwnSerial returns a number that is another one after each change of this host's own bans, but for their
// ends, and a channel that is closed with the next change.
func (b *Book) OwnSerial() (uint64, <-chan struct{}) { return b.own.since() }

// ServeOwn answers with this host's own bans: [link.OwnPath].
func (s *FleetServer) ServeOwn(w http.ResponseWriter, _ *http.Request) {
	cfg := s.server.cfg().Fleet
	own := link.Own{Bans: []link.Ban{}}
	own.Serial, _ = s.server.book.OwnSerial() // before the bans are read, lest a change is missed
	if cfg.On() && cfg.Publish {
		own.Bans, own.Whole = s.server.book.ownBans(state.Clock(), cfg.PerHost)
	}
	state.Respond(w, own)
}

// ownBans returns the foremost bans that others may know, at most so many, and from which age on some are
// missing; 0 if none are.
func (b *Book) ownBans(now banlist.Clock, most int) (own []link.Ban, whole time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own = []link.Ban{}
	if b.table == nil {
		return own, 0
	}
	b.table.Each(now, func(ban Ban) bool {
		if said, ok := toTell(ban, now); ok {
			p, _ := fleetPrefix(said.Addr)
			if len(banlist.Pieces(cidr.FromNetip(p), b.exempt)) > 0 { // else it blocks nobody here either
				own = append(own, said)
			}
		}
		return true
	})
	slices.SortFunc(own, byAddr)
	own = slices.CompactFunc(own, func(a, b link.Ban) bool { return a.Addr == b.Addr })
	return fleet.Foremost(own, func(b link.Ban) (netip.Addr, time.Duration) { return b.Addr, b.Age }, most)
}

// byAddr orders bans by address, and of one address the one that ends last comes first.
func byAddr(a, b link.Ban) int {
	forever := func(b link.Ban) int {
		if b.Left == 0 {
			return 0
		}
		return 1
	}
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(forever(a), forever(b)), cmp.Compare(b.Left, a.Left), cmp.Compare(a.Why, b.Why))
}

// toTell returns a ban as others may know it. ok is false for what they may not: what others have said,
// which would come back to them as this host's word, networks, and bans whose reason was lost, which may
// be one of others.
func toTell(b Ban, now banlist.Clock) (said link.Ban, ok bool) {
	if b.Reason == FleetReason || b.StandIn() {
		return link.Ban{}, false
	}
	one := b.Prefix
	if b.Address.IsValid() {
		one = b.Address
	}
	least := one.Addr().BitLen()
	if one.Addr().Is6() {
		least = pbx.SourceBits6
	}
	if one.Bits() < least {
		return link.Ban{}, false
	}
	p, ok := aroundOne(one.Addr())
	if !ok {
		return link.Ban{}, false
	}
	said = link.Ban{Addr: p.Addr(), Why: pbx.Printable(b.Reason, link.MaxWhy), Age: max(now.Wall.Sub(b.At), 0)}
	if b.For != 0 {
		said.Left = b.Ends - now.Up
		said.Age = max(b.For-said.Left, 0) // by a clock that nobody sets
	}
	_, said.Proved = cutProved(b.Evidence)
	said.Proved = said.Proved && b.Reason == SeenReason
	return said, true
}
