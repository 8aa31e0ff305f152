package bans

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/quota"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/state"
)

// This file is the agent's server for bans that the process watching the PBX asks for. That process
// reads what strangers send, so it may be in the hands of one of them. It can ban single addresses
// for a limited time, so many a minute, and nothing that is exempt. It cannot take bans back.

// SeenPath is the agent's path for such bans, on the socket of that process (see [state.PBXSocket]):
// POST a [SeenRequest], get a [SeenAnswer].
const SeenPath = "/ban"

// SeenReason is the reason of all these bans. The evidence says more.
const SeenReason = "seen by voipbl"

const (
	// provedAMinute is how many addresses of proved attackers may be banned in a minute, and at once
	// after a quiet minute: a botnet of ten thousand is out as fast as it proves itself. For the agent
	// that is a second's work. A process gone mad bans mostSeen, sooner or later: until somebody looks
	// at "voipbl bans".
	provedAMinute = 10_000

	// unprovedAMinute is the same of others, whose packets anybody may have sent. The detector asks
	// for 60 in a minute.
	unprovedAMinute = 200

	// mostSeen leaves room in the list for the bans of an admin and of fail2ban, of which a full
	// list would evict those that end first.
	mostSeen = banlist.Most / 2

	// longestSeen is the longest ban: nothing that a process gone mad has done lasts longer.
	longestSeen = 30 * 24 * time.Hour

	// MostInRequest is how many bans one request may ask for.
	MostInRequest = 100

	// mostEvidence is the most bytes of the evidence.
	mostEvidence = 120

	// mostFailures is more than anybody has before a ban.
	mostFailures = 1_000_000

	// settleWait is how long bans may take, of which another process may hold the lock.
	settleWait = 2 * agentBanWait

	// maxSeenBody is the most bytes of a request.
	maxSeenBody = 64 << 10
)

// SeenRequest asks the agent for bans.
type SeenRequest struct {
	Bans []Seen `json:"bans"`
}

// Seen is an address to be banned for what it did to the PBX.
type Seen struct {
	Addr     netip.Addr    `json:"addr"` // over IPv6, the /64 around it is banned: see [pbx.SourceBits6]
	For      time.Duration `json:"for"`
	Evidence string        `json:"evidence"` // what it did, in words for "voipbl bans"

	// Proved says that the attacker has the address, so that it may be reported: nobody has forged
	// its packets. Failures is how many led to the ban.
	Proved   bool `json:"proved,omitempty"`
	Failures int  `json:"failures,omitempty"`
}

// SeenAnswer is the result of a SeenRequest.
type SeenAnswer struct {
	Banned  int              `json:"banned"`
	Refused []known.Refusal  `json:"refused,omitempty"` // addresses that were not banned
	Problem *problem.Problem `json:"problem,omitempty"` // why bans may not be in force, or are lost at a boot
	Undone  bool             `json:"undone,omitempty"`  // none was made, because of Problem: they are to be asked for again
}

// ShortestSeen is the shortest ban.
const ShortestSeen = time.Second

// check returns an error if a request has too many bans or none.
func (r SeenRequest) check() error {
	if len(r.Bans) == 0 || len(r.Bans) > MostInRequest {
		return fmt.Errorf("%d bans are not 1 to %d", len(r.Bans), MostInRequest)
	}
	return nil
}

// check returns why a ban is none that voipbl asks for, "" if it is one. The others of its request
// are made.
func (s Seen) check() (why string) {
	switch {
	case !s.Addr.IsValid() || s.Addr.Zone() != "" || s.Addr.Is4In6():
		return "it is no address"
	case s.For < ShortestSeen || s.For > longestSeen:
		return fmt.Sprintf("%s is not between %s and %s", s.For, ShortestSeen, longestSeen)
	case s.Failures < 0 || s.Failures > mostFailures:
		return fmt.Sprintf("%d failures are not 0 to %d", s.Failures, mostFailures)
	case s.Evidence == "" || len(s.Evidence) > mostEvidence || !utf8.ValidString(s.Evidence) || strings.ContainsFunc(s.Evidence, isOdd):
		return fmt.Sprintf("the evidence is not 1 to %d bytes of printable text", mostEvidence)
	}
	return ""
}

// isOdd reports whether a letter has no place in a line that a person reads.
func isOdd(r rune) bool { return !unicode.IsPrint(r) }

// seenBans are the bans of a request, and what becomes of them.
type seenBans struct {
	bans    []Seen
	refused []known.Refusal
}

// admit returns the request for those bans that may be.
func (s *seenBans) admit(cfg config.Config, protected *exempt.Protection, book *Book, _ banlist.Clock) (r banRequest) {
	full := book.table.Len() >= mostSeen && book.table.Count(SeenReason) >= mostSeen
	for _, b := range s.bans {
		one := netip.PrefixFrom(b.Addr, b.Addr.BitLen())
		if full {
			s.refuseNow(b.Addr, fmt.Sprintf("%d of these bans are in force, and no more may be", mostSeen))
			continue
		}
		if err := mayBan(cfg, one, protected); err != nil {
			s.refused = append(s.refused, known.Refusal{Addr: b.Addr, Why: err.Why, Exempt: true})
			continue
		}
		w := banWish{Prefix: one, Reason: SeenReason, For: b.For, evidence: b.Evidence}
		if wide := exempt.Widened(one, pbx.SourceBits6); wide != one {
			w.Prefix, w.Address = wide, one
		}
		r.Add = append(r.Add, w)
	}
	return r
}

// refuseNow refuses a ban that may be asked for again.
func (s *seenBans) refuseNow(addr netip.Addr, why string) {
	s.refused = append(s.refused, known.Refusal{Addr: addr, Why: why, Later: true})
}

// SeenServer answers requests of the process that watches the PBX.
type SeenServer struct {
	server  *Server
	tooMany func()            // called when it asks for too many bans
	proved  func(made []Seen) // called with bans of proved attackers once they are made

	mu                   sync.Mutex
	ofProved, ofUnproved quota.Quota
}

// NewSeenServer returns a server whose bans are carried out by s. It calls tooMany when the process
// asks for more bans than it may, and proved with each ban of a proved attacker that was made. Both
// must return at once.
func NewSeenServer(s *Server, tooMany func(), proved func(made []Seen)) *SeenServer {
	return &SeenServer{
		server: s, tooMany: tooMany, proved: proved,
		ofProved: quota.Quota{Most: provedAMinute, Per: time.Minute}, ofUnproved: quota.Quota{Most: unprovedAMinute, Per: time.Minute},
	}
}

// Serve answers one request over HTTP.
func (s *SeenServer) Serve(w http.ResponseWriter, r *http.Request) {
	var request SeenRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSeenBody)).Decode(&request); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if err := request.check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if a, ok := s.ban(r.Context(), s.allowed(request.Bans, time.Now())); ok {
		state.Respond(w, a)
	}
}

// allowed takes as many good bans from the front as may be made now.
func (s *SeenServer) allowed(bans []Seen, now time.Time) *seenBans {
	s.mu.Lock()
	defer s.mu.Unlock()
	some, tooMany := new(seenBans), false
	for _, b := range bans {
		of := &s.ofUnproved
		if b.Proved {
			of = &s.ofProved
		}
		switch why := b.check(); {
		case why != "":
			some.refused = append(some.refused, known.Refusal{Addr: b.Addr, Why: why})
		case of.Take(1, now) == 0:
			some.refuseNow(b.Addr, fmt.Sprintf("more than %d bans a minute", of.Most))
			tooMany = true
		default:
			some.bans = append(some.bans, b)
		}
	}
	if tooMany {
		s.tooMany()
	}
	return some
}

// ban carries out bans. What belongs to them is done also if the process does not wait for the
// answer: phones go off the list, and attackers are reported.
func (s *SeenServer) ban(ctx context.Context, seen *seenBans) (a SeenAnswer, ok bool) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer end()
	if len(seen.bans) == 0 {
		return SeenAnswer{Refused: seen.refused}, true
	}
	settled, ok := s.server.ask(ctx, banAsk{admit: seen.admit})
	if !ok {
		return a, false
	}
	if made := seen.proved(settled); len(made) > 0 {
		s.proved(made)
	}
	return seen.answer(context.WithoutCancel(ctx), s.server.cfg(), settled), true
}

// proved returns the bans of proved attackers that were made.
func (s *seenBans) proved(settled *banAnswer) (made []Seen) {
	if settled == nil {
		return nil
	}
	banned := make(map[netip.Addr]bool)
	for _, b := range settled.Changed {
		if b.Address.IsValid() {
			banned[b.Address.Addr()] = true
			continue
		}
		banned[b.Prefix.Addr()] = true
	}
	for _, b := range s.bans {
		if b.Proved && banned[b.Addr] {
			made = append(made, b)
		}
	}
	return made
}

// answer takes phones that are now banned off the list of those, since a ban is stronger than a
// password, and returns what has become of the bans.
func (s *seenBans) answer(ctx context.Context, cfg config.Config, settled *banAnswer) (a SeenAnswer) {
	a.Refused = s.refused
	if settled == nil {
		a.Problem, a.Undone = &problem.Problem{Error: "the agent could not settle the bans"}, true
		return a
	}
	a.Banned, a.Problem = len(settled.Changed), settled.Unkept
	if settled.Kernel != nil {
		a.Problem = settled.Kernel
	}
	for _, p := range settled.Refused {
		a.Refused = append(a.Refused, known.Refusal{Addr: p.Addr(), Why: "the list of bans is full of bans without an end", Later: true})
	}
	var banned []netip.Prefix
	for _, b := range settled.Changed {
		banned = append(banned, b.Prefix)
	}
	if _, err := known.Forget(ctx, cfg, "voipbl run", banned, state.LookWait); err != nil && a.Problem == nil {
		a.Problem = problem.Of(err)
	}
	return a
}
