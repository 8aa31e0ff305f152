package bans

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/quota"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/state"
)

// This file is the agent's server for bans that other hosts of the fleet have made. The process that
// talks with the hub asks for them. It reads what the network sends, so it may be in the hands of
// an attacker. It can ban single addresses for a limited time, so many, and nobody who is exempt or a
// registered phone, and it takes back only such bans.

// FleetReason is the reason of all these bans. The evidence says which hosts have made them, and why.
const FleetReason = banlist.Fleet

const (
	// fleetAMinute is how many bans may be made and taken back in a minute, and at once after a quiet
	// minute: twice as many as there may be, each to be made, and as many to be taken back.
	fleetAMinute = 120_000

	// sameFleetEnd is how far apart the ends of a ban and of a wish for it may be that changes nothing:
	// what takes time on the way changes a time that is left.
	sameFleetEnd = 5 * time.Second

	// leastFleetFor is the shortest ban.
	leastFleetFor = time.Second

	// maxFleetBody is the most bytes of a request: room for [link.MostInRequest] bans, each with as
	// many names as it may have.
	maxFleetBody = 1 << 20

	// fleetBytesAMinute is how many bytes all requests of a minute may have, lest reading them takes more than
	// some seconds: enough for the changes that there may be. A request counts as leastFleetBody at least.
	fleetBytesAMinute = 32 << 20
	leastFleetBody    = 4 << 10
)

var errOfFleet = fmt.Errorf("the reason %q is that of bans that other hosts of the fleet have made", FleetReason)

// FleetServer answers requests of the process that talks with the hub of the fleet.
type FleetServer struct {
	server *Server
	warn   func(words string)

	one sync.Mutex // one request at a time: the next one counts what this one has made

	mu    sync.Mutex
	quota quota.Quota // of changes
	bytes quota.Quota
}

// NewFleetServer returns a server whose bans are carried out by s. It calls warn, which must return at once,
// with what an admin should know.
func NewFleetServer(s *Server, warn func(words string)) *FleetServer {
	return &FleetServer{
		server: s, warn: warn,
		quota: quota.Quota{Most: fleetAMinute, Per: time.Minute},
		bytes: quota.Quota{Most: fleetBytesAMinute, Per: time.Minute},
	}
}

// ServeOthers makes bans of others and takes them back: [link.OthersPath].
func (s *FleetServer) ServeOthers(w http.ResponseWriter, r *http.Request) {
	if !s.mayRead(r, time.Now()) {
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	var asked link.Others
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFleetBody)).Decode(&asked); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if n := len(asked.Add) + len(asked.Remove); n == 0 || n > link.MostInRequest {
		http.Error(w, fmt.Sprintf("%d changes are not 1 to %d", n, link.MostInRequest), http.StatusBadRequest)
		return
	}
	if a, ok := s.change(r.Context(), asked, time.Now()); ok {
		state.Respond(w, a)
	}
}

// change carries out a request, also if the process does not wait for the answer.
func (s *FleetServer) change(ctx context.Context, asked link.Others, now time.Time) (a link.Answer, ok bool) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer end()
	if !s.may(len(asked.Add)+len(asked.Remove), now) {
		s.warn("the fleet's process asks for too many changes of bans: those above the limit wait")
		return link.Answer{Problem: fmt.Sprintf("more than %d changes a minute", fleetAMinute), Undone: true}, true
	}
	s.one.Lock()
	defer s.one.Unlock()
	some := fleetBans{asked: asked}
	settled, ok := s.server.ask(ctx, banAsk{admit: some.admit})
	if !ok {
		return a, false
	}
	if some.unread != nil {
		s.warn("no ban of the fleet is made: " + some.unread.Error())
	}
	if settled != nil {
		for _, note := range settled.Notes {
			s.warn(note)
		}
	}
	return some.answer(settled), true
}

// mayRead reports whether one more request may be read, and counts it.
func (s *FleetServer) mayRead(r *http.Request, now time.Time) bool {
	n := maxFleetBody
	if l := r.ContentLength; l >= 0 && l < maxFleetBody {
		n = max(int(l), leastFleetBody)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.Take(n, now) == n
}

// may reports whether n more changes may be made, and counts them.
func (s *FleetServer) may(n int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quota.Take(n, now) == n
}

// fleetBans are the changes of a request, and what becomes of them.
type fleetBans struct {
	asked   link.Others
	refused []link.Refusal
	err     error // why none is made
	unread  error // why some are not made: one of them may be a phone's
}

var (
	errNotAccepted = errors.New("this host takes no bans of others (fleet.hub, fleet.accept)")
	errNoPhones    = errors.New("it is not known which phones are registered")
)

// admit returns the request for those changes that may be.
func (f *fleetBans) admit(cfg config.Config, protected *exempt.Protection, book *Book, now banlist.Clock) (r banRequest) {
	if !cfg.Fleet.Accepts() {
		f.err = errNotAccepted
		return banRequest{}
	}
	phones, unread := fleetPhones(cfg)
	book.table.Expire(now)
	book.readVetoes(now) // once: a look at the file takes as long as all else that a ban needs
	room := cfg.Fleet.Most - book.table.OfFleet()
	var gone []netip.Prefix
	for _, a := range f.asked.Remove {
		p, ok := fleetPrefix(a)
		if _, held := book.table.FindFleet(p); ok && held {
			gone = append(gone, p)
			room++
		}
	}
	if len(gone) > 0 {
		r.Remove = &banRemoval{Prefixes: gone, Reason: FleetReason}
	}
	for _, b := range f.asked.Add {
		w, ok := fleetWish(b, cfg.Fleet.Longest)
		if !ok {
			f.refuse(b.Addr, link.Odd)
			continue
		}
		held, found := book.table.FindFleet(w.Prefix)
		why := ""
		switch {
		case neverBlocked(w.Prefix, protected):
			why = link.Exempt
		case unread != nil && !found:
			why, f.unread = link.Unknown, unread
		case phones[w.Prefix]:
			why = link.Phone
		case book.vetoed(w.Prefix, now):
			why = link.Veto
		case !found && room <= 0:
			why = link.Full
		}
		switch {
		case why != "":
			f.refuse(b.Addr, why)
		case unread != nil: // it stays as it is
		case found && held.Evidence == w.evidence && (held.Ends-now.Up-w.For).Abs() < sameFleetEnd:
		default:
			r.Add = append(r.Add, w)
			if !found {
				room--
			}
		}
	}
	return r
}

// neverBlocked reports whether a ban of a prefix blocks nothing here. How wide the bans of this host may be
// is no matter.
func neverBlocked(p netip.Prefix, protected *exempt.Protection) bool {
	return len(banlist.Pieces(cidr.FromNetip(p), ExemptFrom(protected))) == 0
}

func (f *fleetBans) refuse(a netip.Addr, why string) {
	f.refused = append(f.refused, link.Refusal{Addr: a, Why: why})
}

// answer returns what has become of the changes.
func (f *fleetBans) answer(settled *banAnswer) link.Answer {
	if f.err == nil && settled == nil {
		f.err = errors.New("the agent could not settle the bans")
	}
	if f.err != nil {
		return link.Answer{Problem: f.err.Error(), Undone: true}
	}
	for _, p := range settled.Refused {
		f.refuse(p.Addr(), link.Full)
	}
	a := link.Answer{Refused: f.refused}
	if p := cmp.Or(settled.Kernel, settled.Unkept); p != nil {
		a.Problem = p.Error
	}
	return a
}

// fleetWish returns the wish for a ban of others; ok is false if there can be no such ban.
func fleetWish(b link.Ban, longest time.Duration) (w banWish, ok bool) {
	p, ok := fleetPrefix(b.Addr)
	if !ok || b.Left <= 0 || b.Age < 0 || len(b.By) == 0 || len(b.By) > link.MaxBy || slices.ContainsFunc(b.By, oddName) ||
		len(b.Why) > link.MaxWhy || !utf8.ValidString(b.Why) || strings.ContainsFunc(b.Why, isOdd) {
		return banWish{}, false
	}
	return banWish{
		Prefix: p, Reason: FleetReason, For: min(max(b.Left, leastFleetFor), longest),
		age: min(b.Age, longest), evidence: fleetEvidence(b),
	}, true
}

// oddName reports whether a text is no name of a host.
func oddName(s string) bool {
	_, err := fleet.ParseName(s)
	return err != nil
}

// fleetPrefix returns what a ban of an address blocks: over IPv6 the /64 whose first address it is. ok
// is false if it is not the address of such a ban.
func fleetPrefix(a netip.Addr) (p netip.Prefix, ok bool) {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
		return netip.Prefix{}, false
	}
	p, ok = aroundOne(a)
	return p, ok && p.Addr() == a
}

// aroundOne returns what the fleet bans for an address: over IPv6 its /64. ok is false for an address that
// the fleet bans nowhere: a private one is another host's in each network, and an IPv6 network may be not
// one customer's (NAT64).
func aroundOne(a netip.Addr) (p netip.Prefix, ok bool) {
	p = exempt.Widened(netip.PrefixFrom(a, a.BitLen()), pbx.SourceBits6)
	_, special := cidr.FindSpecial(cidr.FromNetip(p))
	return p, !special && (a.Is4() || p.Bits() == pbx.SourceBits6)
}

// fleetPhones returns where phones are registered, as bans of the fleet would block them.
func fleetPhones(cfg config.Config) (map[netip.Prefix]bool, error) {
	if !cfg.PBX.TrustRegistered {
		return nil, nil
	}
	list, unread := known.Read(cfg)
	if unread != nil {
		return nil, fmt.Errorf("%w: %s", errNoPhones, unread.Error)
	}
	phones := make(map[netip.Prefix]bool, len(list.Phones))
	for _, p := range list.Phones {
		if p, ok := aroundOne(p.Addr); ok {
			phones[p] = true
		}
	}
	return phones, nil
}

// provedWord ends the evidence of attackers who are proved to have the address, as it does in that of
// what watches the PBX.
const provedWord = "proved"

// fleetEvidence returns the evidence of a ban, such as "acme_pbx7, zeta_pbx1: fail2ban asterisk".
func fleetEvidence(b link.Ban) string {
	why := b.Why
	if trimmed, is := cutProved(why); is != b.Proved {
		why = trimmed
		if b.Proved {
			why = strings.TrimPrefix(why+", "+provedWord, ", ")
		}
	}
	if why == "" {
		return strings.Join(b.By, ", ")
	}
	return strings.Join(b.By, ", ") + ": " + why
}

// ofFleetEvidence is the inverse of fleetEvidence.
func ofFleetEvidence(evidence string) (by []string, why string, proved bool) {
	names, why, _ := strings.Cut(evidence, ": ")
	why, proved = cutProved(why)
	return strings.Split(names, ", "), why, proved
}

func cutProved(why string) (rest string, proved bool) {
	if why == provedWord {
		return "", true
	}
	return strings.CutSuffix(why, ", "+provedWord)
}

// ServeHeld answers with the bans of others that are in force: [link.HeldPath].
func (s *FleetServer) ServeHeld(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	held := s.server.book.ofFleet(state.Clock())
	// One by one: as a whole, all bans would take several times as much memory.
	encoder := json.NewEncoder(w)
	fmt.Fprint(w, `{"bans":[`)
	for i, b := range held {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		by, why, proved := ofFleetEvidence(b.evidence)
		if encoder.Encode(link.Ban{Addr: b.addr, Age: b.age, Left: b.left, Why: why, Proved: proved, By: by}) != nil {
			return
		}
	}
	fmt.Fprint(w, "]}")
}

// heldBan is a ban of the fleet.
type heldBan struct {
	addr      netip.Addr
	age, left time.Duration
	evidence  string
}

// ofFleet returns the bans of the fleet that are in force, by address.
func (b *Book) ofFleet(now banlist.Clock) []heldBan {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return nil
	}
	held := make([]heldBan, 0, b.table.OfFleet())
	b.table.Each(now, func(ban Ban) bool {
		if ban.Reason == FleetReason && ban.For != 0 {
			left := ban.Ends - now.Up
			held = append(held, heldBan{ban.Prefix.Addr(), max(ban.For-left, 0), left, ban.Evidence})
		}
		return true
	})
	slices.SortFunc(held, func(a, b heldBan) int { return a.addr.Compare(b.addr) })
	return held
}

// OfFleet returns how many bans of the fleet are in force; 0 for a nil book.
func (b *Book) OfFleet() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table == nil {
		return 0
	}
	b.table.Expire(state.Clock())
	return b.table.OfFleet()
}

// withoutFleet takes the bans of the fleet back if this host is to have none. The caller holds
// state.BansLock.
func (b *Book) withoutFleet(kernel *ipsetsync.Kernel, exempt cidr.Sets) {
	if b.Cfg.Fleet.Accepts() {
		return
	}
	now := state.Clock()
	b.refresh(now, func() [2]ipsetsync.Timed { live, _, _ := liveBans(b.Cfg, kernel); return live })
	if b.table.OfFleet() == 0 {
		return
	}
	// What goes wrong here, the caller meets and reports: it compares list and kernel as a whole.
	b.settle(kernel, []banRequest{{Remove: &banRemoval{All: true, Reason: FleetReason}}}, exempt, now)
}
