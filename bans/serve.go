package bans

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/state"
)

// This file is the agent's server for changes of bans. The agent has the list in memory, and
// writes many changes at once. The server runs beside the agent's loop, which may be busy with
// lists.

// Path is the agent's path for changes of bans: POST a banRequest, get a banAnswer.
const Path = "/bans"

const (
	// maxBanBatch is how many requests are settled together at most.
	maxBanBatch = 1000

	// maxBanBody is the most bytes of one request: room for a hundred thousand addresses.
	maxBanBody = 32 << 20
)

// Server answers requests to change bans, one batch after the other.
type Server struct {
	cfg    func() config.Config
	book   *Book
	asks   chan banAsk
	kernel *ipsetsync.Kernel
}

// banAsk is one request, and where its answer goes.
type banAsk struct {
	request banRequest
	admit   admit           // of a SeenServer or FleetServer, instead of request
	answer  chan *banAnswer // gets nil if the agent could not settle it
}

// admit returns the request for those changes that a process without rights may have made. The lock of
// the list is held, and the book is up to date.
type admit func(cfg config.Config, protected *exempt.Protection, book *Book, now banlist.Clock) banRequest

// NewServer returns a server for changes of book. cfg returns the configuration in force.
func NewServer(cfg func() config.Config, book *Book) *Server {
	return &Server{cfg: cfg, book: book, asks: make(chan banAsk, maxBanBatch)}
}

// Run settles requests until ctx ends. After it has called ready, no request waits for it to
// begin.
func (s *Server) Run(ctx context.Context, ready func()) error {
	defer s.disconnect()
	ready()
	var quiet <-chan time.Time // after many changes
	changed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-quiet:
			quiet, changed = nil, 0
			debug.FreeOSMemory()
		case first := <-s.asks:
			n := s.settle(ctx, s.batch(first))
			if changed += n; n > 0 && changed >= manyChanges {
				quiet = time.After(quietAfter)
			}
		}
	}
}

// After manyChanges, and when none has come for quietAfter, the memory that they took goes back to the kernel: twice as
// much as the bans themselves, which would stay with an agent that has nothing else to do.
const (
	manyChanges = 2000
	quietAfter  = 2 * time.Second
)

// batch returns first and all other requests that wait now.
func (s *Server) batch(first banAsk) []banAsk {
	batch := []banAsk{first}
	for len(batch) < maxBanBatch {
		select {
		case next := <-s.asks:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// settle carries a batch out, and returns how many bans it has changed.
func (s *Server) settle(ctx context.Context, batch []banAsk) (changed int) {
	answers, err := s.answers(ctx, batch)
	for i, ask := range batch {
		if err != nil {
			ask.answer <- nil
			continue
		}
		changed += len(answers[i].Changed)
		ask.answer <- &answers[i]
	}
	return changed
}

func (s *Server) answers(ctx context.Context, batch []banAsk) ([]banAnswer, error) {
	cfg := s.cfg()
	// The requests name other login sessions: the caller has just found them by looking into
	// all processes. That costs as much as all the rest, and the service may not do it.
	protected, err := exemptWith(ctx, cfg, logins.RecordedPeers())
	if err != nil {
		return nil, err
	}
	if s.kernel == nil {
		if s.kernel, err = ipsetsync.Open(); err != nil {
			return nil, err
		}
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.Cfg = cfg
	unlock, err := lockBans(ctx, cfg, "voipbl run", agentBanWait/2)
	if err != nil {
		return nil, err // the callers do it themselves
	}
	defer unlock()
	requests := make([]banRequest, 0, len(batch))
	for _, ask := range batch {
		requests = append(requests, ask.request)
	}
	now := state.Clock()
	s.book.refresh(now, func() [2]ipsetsync.Timed {
		var asked []cidr.Prefix
		for _, r := range requests {
			for _, w := range r.Add {
				asked = append(asked, cidr.FromNetip(w.Prefix))
			}
		}
		return othersBans(cfg, s.kernel, asked)
	})
	for i, ask := range batch {
		if ask.admit != nil {
			requests[i].admit = func() banRequest { return ask.admit(cfg, protected, s.book, now) }
		}
	}
	s.book.noteSessions(requests)
	spared := cidr.Union(sparedBy(requests), s.book.lasting())
	answers := s.book.settle(s.kernel, requests, cidr.Union(ExemptFrom(protected), spared), now)
	for _, r := range requests {
		var banned []netip.Prefix
		for _, w := range r.Add {
			banned = append(banned, w.Prefix)
		}
		s.book.News.Add(banned)
	}
	if slices.ContainsFunc(answers, func(a banAnswer) bool { return a.Kernel != nil }) {
		s.disconnect()
	}
	return answers, nil
}

// sparedBy returns what the callers know to be exempt.
func sparedBy(requests []banRequest) cidr.Sets {
	var b cidr.Builder
	for _, r := range requests {
		for _, p := range r.Spared {
			b.Add(cidr.FromNetip(p))
		}
	}
	return b.Sets()
}

// noteSessions remembers the login sessions that the callers reported. Otherwise the next
// check of the bans would cut off the people whose addresses were just cut out of a ban.
func (b *Book) noteSessions(requests []banRequest) {
	for _, r := range requests {
		for _, w := range r.Add { // an address with a session cannot be banned, so this one has none any more
			delete(b.sessions, w.Prefix)
		}
	}
	for _, r := range requests {
		for _, p := range r.Sessions {
			if b.sessions == nil {
				b.sessions = make(map[netip.Prefix]bool)
			}
			b.sessions[p] = true
		}
	}
}

// lasting returns the remembered sessions that may still exist. The agent may not look into
// processes, but a session cannot outlive its connection.
func (b *Book) lasting() cidr.Sets {
	if len(b.sessions) == 0 {
		return cidr.Sets{}
	}
	connected := make(map[netip.Addr]bool)
	for _, e := range logins.Established() {
		connected[e.Client.Addr()] = true
	}
	var peers []cidr.Prefix
	for p := range b.sessions {
		if !connected[p.Addr()] {
			delete(b.sessions, p)
			continue
		}
		peers = append(peers, cidr.FromNetip(p))
	}
	return cidr.SetOf(peers...)
}

func (s *Server) disconnect() {
	if s.kernel != nil {
		s.kernel.Close()
		s.kernel = nil
	}
}

// check rejects a request with a prefix that cannot be a ban, which must not get into the
// list. voipbl's own commands make no such request.
func (r banRequest) check() error {
	for _, w := range r.Add {
		if w.Reason == FleetReason {
			return errOfFleet
		}
		if !banlist.Possible(w.Prefix) || w.Address.IsValid() && !banlist.Possible(w.Address) || w.For < 0 {
			return fmt.Errorf("%s for %s cannot be a ban", w.Prefix, w.For)
		}
	}
	prefixes := slices.Concat(r.Spared, r.Sessions)
	if r.Remove != nil {
		prefixes = slices.Concat(prefixes, r.Remove.Prefixes)
	}
	for _, p := range prefixes {
		if !banlist.Possible(p) {
			return fmt.Errorf("%s cannot be a ban", p)
		}
	}
	return nil
}

// Serve answers one request over HTTP.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request) {
	var ask banAsk
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBanBody)).Decode(&ask.request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := ask.request.check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if a, ok := s.ask(r.Context(), ask); ok {
		state.Respond(w, a)
	}
}

// ask waits until a request is settled, unless ctx ends first.
func (s *Server) ask(ctx context.Context, ask banAsk) (a *banAnswer, ok bool) {
	ask.answer = make(chan *banAnswer, 1)
	select {
	case s.asks <- ask:
	case <-ctx.Done():
		return nil, false
	}
	select {
	case a := <-ask.answer:
		return a, true
	case <-ctx.Done():
		return nil, false
	}
}
