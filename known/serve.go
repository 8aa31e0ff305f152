package known

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// lockWait is how long a request waits for another process that changes the list.
const lockWait = 2 * time.Second

// Server answers requests about phones in the agent.
type Server struct {
	Cfg    func() config.Config // the configuration in force
	Listed func()               // called if a list blocks a phone: the lists are to be applied
	Spread func(Spread)         // called once an account is registered from many addresses
	Trunks func()               // called if the PBX is registered elsewhere than before
}

// Serve answers one request over HTTP.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request) {
	var ask Request
	cfg, ok := s.read(w, r, &ask, func() error { return ask.check() })
	if !ok {
		return
	}
	a, spread := answer(r.Context(), cfg, ask)
	if a.Listed {
		s.Listed()
	}
	for _, account := range spread {
		s.Spread(account)
	}
	state.Respond(w, a)
}

// ServeTrunks answers one request about trunks.
func (s *Server) ServeTrunks(w http.ResponseWriter, r *http.Request) {
	var ask TrunkRequest
	cfg, ok := s.read(w, r, &ask, func() error { return ask.check() })
	if !ok {
		return
	}
	if !cfg.PBX.TrustRegistered {
		http.Error(w, "pbx.trust_registered is false", http.StatusConflict)
		return
	}
	changed, wrong, err := takeTrunks(r.Context(), cfg, ask.Trunks)
	if changed {
		s.Trunks()
	}
	a := TrunkAnswer{Undone: err != nil}
	if err := errors.Join(err, wrong); err != nil {
		a.Problem = problem.Line(err)
	}
	state.Respond(w, a)
}

// read reads a request, and returns the configuration. If it returns false, the request is answered.
func (s *Server) read(w http.ResponseWriter, r *http.Request, ask any, check func() error) (config.Config, bool) {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(ask)
	if err == nil {
		err = check()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return config.Config{}, false
	}
	return s.Cfg(), true
}

// answer carries a request out. First the list is written, since the next check of the kernel's
// sets goes by it. spread are the accounts that are registered from many addresses since.
func answer(ctx context.Context, cfg config.Config, r Request) (a Answer, spread []Spread) {
	failed := func(err error) (Answer, []Spread) { return Answer{Problem: problem.Line(err), Undone: true}, nil }
	kernel, err := ipsetsync.Open()
	if err != nil {
		return failed(err)
	}
	defer kernel.Close()
	unlock, err := lock(ctx, cfg, "voipbl run", lockWait)
	if err != nil {
		return failed(err)
	}
	defer unlock()
	b := read(cfg, state.Clock())
	var unsure error
	inSet := func(name func(family int) string, a netip.Addr) bool {
		p := cidr.FromNetip(netip.PrefixFrom(a, a.BitLen()))
		has, err := kernel.Has(name(int(p.Family())), p)
		if err != nil {
			unsure = err
		}
		return has
	}
	l, a := b.change(r, b.Written, func(addr netip.Addr) bool { return inSet(cfg.BanSetName, addr) })
	if unsure != nil { // nobody who is banned may get in
		return failed(unsure)
	}
	unkept, err := b.write(cfg, l)
	if err != nil {
		return failed(err)
	}
	for _, s := range r.Phones { // also of those known before: an apply may have begun before they were
		a.Listed = a.Listed || cfg.PBX.TrustRegistered && l.Has(s.Addr) && inSet(cfg.SetName, s.Addr)
	}
	if err := errors.Join(unkept, unsure, fill(cfg, kernel, l)); err != nil {
		a.Problem = problem.Line(err)
	}
	return a, l.spreadSince(b.List)
}
