package watch

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/detect"
	"github.com/voipbl/voipbl/pbx/link"
)

// mostBans is how many bans wait for the agent, which may be away. Whoever is banned is not seen any more,
// so there is one ban of each. Of the rest, as much waits as the agent takes.
const mostBans = 4 << 10

// outbox is what the agent has not been told yet.
type outbox struct {
	mu     sync.Mutex
	bans   []timed
	why    string // the agent has put some of these off
	phones map[key]link.Phone
	forget []netip.Prefix
	trunks map[string]known.SeenTrunk // by host
	tells  []link.Tell                // the latest
	asked  uint64                     // bans that the agent was asked for
	wake   chan struct{}              // bans are to be told at once
	later  chan struct{}              // something waits that has time
}

// timed is a ban, and when it began.
type timed struct {
	bans.Seen
	at time.Time
}

// worse orders bans: first those of proved attackers, who come back for the longest ones, and who have
// tried most.
func worse(a, b timed) int {
	if a.Proved != b.Proved {
		if a.Proved {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.For, a.For), cmp.Compare(b.Failures, a.Failures))
}

// worstFirst sorts bans, and keeps the worst of each source only: of two bans of one address, the one
// that is made last is in force, and it must not be the one that knows less.
func worstFirst(all []timed) []timed {
	slices.SortStableFunc(all, worse)
	seen := make(map[netip.Prefix]bool, len(all))
	return slices.DeleteFunc(all, func(b timed) bool {
		source, _ := b.Addr.Prefix(min(b.Addr.BitLen(), pbx.SourceBits6))
		again := seen[source]
		seen[source] = true
		return again
	})
}

// leaveOut leaves out the least of too many bans. Whoever goes on will be banned later.
func (o *outbox) leaveOut() {
	o.bans = worstFirst(o.bans)
	o.bans = o.bans[:min(len(o.bans), mostBans)]
}

// key is what a phone is told apart by.
type key struct {
	addr    netip.Addr
	account string
}

func newOutbox() *outbox {
	return &outbox{phones: make(map[key]link.Phone), trunks: make(map[string]known.SeenTrunk), wake: make(chan struct{}, 1), later: make(chan struct{}, 1)}
}

// take puts a verdict in.
func (o *outbox) take(v detect.Verdict, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch v := v.(type) {
	case detect.Ban:
		o.bans = append(o.bans, timed{bans.Seen{Addr: v.Addr, For: v.For, Evidence: v.Reason, Proved: v.Proved, Failures: v.Evidence.Failures()}, now})
		if len(o.bans) >= 2*mostBans {
			o.leaveOut()
		}
		ring(o.wake)
	case detect.Trust:
		o.phone(v.Phone)
	case detect.Untrust:
		o.dropLocked(v.Network)
		if len(o.forget) < known.MostForgotten {
			o.forget = append(o.forget, v.Network)
		}
		ring(o.later)
	case detect.Tell:
		o.tells = append(o.tells, link.Tell{At: now, Text: v.Text})
		o.tells = o.tells[max(0, len(o.tells)-link.MaxTells):]
	}
}

// drop takes the phones of a network out, since it is banned.
func (o *outbox) drop(n netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropLocked(n)
}

func (o *outbox) dropLocked(n netip.Prefix) {
	for k := range o.phones {
		if n.Contains(k.addr) {
			delete(o.phones, k)
		}
	}
}

func (o *outbox) phone(p detect.Phone) {
	if len(o.phones) < pbx.MostPhones {
		o.phones[key{p.Addr, p.Account}] = link.Phone{Addr: p.Addr, Account: p.Account, Transport: p.Transport, Since: p.Since, Until: p.Until}
		ring(o.later)
	}
}

// renewed puts phones in that have proved their password again.
func (o *outbox) renewed(phones []detect.Phone) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range phones {
		o.phone(p)
	}
}

// counted says what has been asked for, and what an admin should know.
func (o *outbox) counted() link.Health {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := link.Health{Bans: o.asked, Tells: slices.Clone(o.tells), Waiting: len(o.bans)}
	if h.Waiting > 0 {
		h.Why = o.why
	}
	return h
}

func (o *outbox) count(asked int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked += uint64(asked)
}

// ring wakes whoever waits for a signal.
func ring(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// waits reports whether the agent is to be told of something.
func (o *outbox) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.bans)+len(o.phones)+len(o.forget)+len(o.trunks) > 0
}

// phonesWait reports whether the agent is to be told of phones.
func (o *outbox) phonesWait() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.phones) > 0
}

// takeBans takes the bans out, the worst first, with the time that is left of each.
func (o *outbox) takeBans(now time.Time) (all []timed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.bans {
		if passed := now.Sub(b.at); passed > 0 {
			b.For -= passed
			b.at = now
		}
		if b.For >= bans.ShortestSeen {
			all = append(all, b)
		}
	}
	o.bans, o.why = nil, ""
	return worstFirst(all)
}

// putBack puts bans in that the agent has not made, and why.
func (o *outbox) putBack(some []timed, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bans, o.why = append(some, o.bans...), why
	o.leaveOut()
}

// takePhones takes some phones out, and the networks whose phones are trusted no more.
func (o *outbox) takePhones(most int) (phones []link.Phone, forget []netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, p := range o.phones {
		if len(phones) == most {
			break
		}
		phones = append(phones, p)
		delete(o.phones, k)
	}
	forget, o.forget = o.forget, nil
	return phones, forget
}

// putBackPhones puts in what the agent was not told, unless there is something newer.
func (o *outbox) putBackPhones(phones []link.Phone, forget []netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range phones {
		k := key{p.Addr, p.Account}
		if _, newer := o.phones[k]; !newer && len(o.phones) < pbx.MostPhones && !within(p.Addr, o.forget) {
			o.phones[k] = p
		}
	}
	o.forget = append(forget, o.forget...)
	o.forget = o.forget[:min(len(o.forget), known.MostForgotten)]
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// trunk puts a trunk of the PBX in. Of several accounts there, the first one by name
// counts, so that it is the same each time.
func (o *outbox) trunk(t known.SeenTrunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old, has := o.trunks[t.Host]
	if has && (t.Account == "" || old.Account != "" && old.Account <= t.Account) || !has && len(o.trunks) == known.MostTrunks {
		return
	}
	o.trunks[t.Host] = t
	ring(o.later)
}

// takeTrunks takes the trunks out.
func (o *outbox) takeTrunks() []known.SeenTrunk {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.Collect(maps.Values(o.trunks))
	clear(o.trunks)
	return all
}
