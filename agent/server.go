package agent

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// agentState is an AgentStatus that several goroutines write and read.
type agentState struct {
	mu     sync.Mutex
	now    state.AgentStatus
	serial uint64 // another one whenever the status of the host may have changed: see mark
	told   bell   // rung then

	ahead time.Duration // of the clock to this host's uptime, by which the times of now are
}

func (s *agentState) change(change func(*state.AgentStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restate(clockAhead())
	before := markOf(&s.now)
	change(&s.now)
	if markOf(&s.now) != before {
		s.serial++
		s.told.ring()
	}
}

// next returns the serial of the status, and a channel that is closed when there is another one.
func (s *agentState) next() (serial uint64, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serial, s.told.next()
}

// mark is what of the agent's status tells that the status of the host may be another one.
type mark struct {
	repairs, applies       int
	applied, loaded        time.Time
	apply, config, refused string
}

func markOf(s *state.AgentStatus) mark {
	text := func(p *problem.Problem) string {
		if p == nil {
			return ""
		}
		return p.Error
	}
	return mark{
		s.Repairs.Rules + s.Repairs.Sets, s.Applies.Written + s.Applies.Failed, s.Applied, s.ConfigLoaded,
		text(s.ApplyError), text(s.ConfigError), text(s.DocumentRefused),
	}
}

// get returns a copy. It can be read without the lock, since writers replace its maps and slices
// and never change them.
func (s *agentState) get() state.AgentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restate(clockAhead())
	return s.now
}

// control is the server on the agent's socket.
type control struct {
	server   *http.Server
	listener net.Listener
	folder   *os.File
}

// listen creates the socket for root, on which run answers.
func (d *daemon) listen(banned *bans.Server, phones *known.Server) (*control, error) {
	listener, folder, err := d.listenAt(state.SocketFile)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+state.StatusPath, func(w http.ResponseWriter, _ *http.Request) { state.Respond(w, d.snapshot()) })
	mux.HandleFunc("GET "+state.ConfigPath, func(w http.ResponseWriter, _ *http.Request) {
		state.Respond(w, string(d.shared.Load().YAML()))
	})
	mux.HandleFunc("GET "+blocklist.RulesPath, func(w http.ResponseWriter, r *http.Request) { state.Respond(w, d.outlook(r.Context())) })
	mux.HandleFunc("POST "+state.ReloadPath, func(w http.ResponseWriter, r *http.Request) {
		state.Respond(w, ask(r.Context(), d.asks, state.ParseMayLose(r.URL.Query())))
	})
	mux.HandleFunc("POST "+bans.Path, banned.Serve)
	mux.HandleFunc("POST "+known.Path, phones.Serve)
	mux.HandleFunc("POST "+known.TrunksPath, phones.ServeTrunks)
	mux.HandleFunc("POST "+state.AllowedPath, func(w http.ResponseWriter, r *http.Request) {
		state.Respond(w, ask(r.Context(), d.allows, state.LoseNothing))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: state.RequestWait, IdleTimeout: state.RequestWait}
	return &control{server, limited(listener, mostAsks), folder}, nil
}

// phones returns the server for registered phones.
func (d *daemon) phones() *known.Server {
	tell := func(loop chan<- struct{}) func() {
		return func() {
			select {
			case loop <- struct{}{}:
			default: // the loop is about to do it
			}
		}
	}
	warn := d.seldom(mostSpread, time.Hour)
	return &known.Server{
		Cfg: func() config.Config { return *d.shared.Load() }, Listed: tell(d.listed), Trunks: tell(d.trunks),
		Spread: func(s known.Spread) { warn(s.String()) },
	}
}

// close ends a server that does not run.
func (c *control) close() {
	c.listener.Close()
	c.folder.Close()
}

// run answers until ctx ends. Whoever has connected before waits no longer.
func (c *control) run(ctx context.Context, ready func()) error {
	defer c.folder.Close()
	defer context.AfterFunc(ctx, func() { c.server.Close() })()
	ready()
	return c.server.Serve(c.listener) // returns when the server is closed
}

// snapshot returns the agent's status at this moment.
func (d *daemon) snapshot() state.AgentStatus {
	s := d.state.get()
	cfg := *d.shared.Load()
	s.StateFolder, s.Unkept = state.AgentDenied(cfg), state.StillUnkept(cfg, s.Unkept)
	next, busy := d.fetcher.plans()
	s.Next, s.Fetching, s.FetchingFeeds = next, !busy.IsZero(), d.fetcher.fetching()
	return s
}

// request asks the loop to do something.
type request struct {
	mayLose state.MayLose // for a reload
	done    chan<- error
}

// ask sends the loop a request, and waits for the result.
func ask(ctx context.Context, asks chan<- request, may state.MayLose) *problem.Problem {
	done := make(chan error, 1)
	select {
	case asks <- request{may, done}:
	case <-ctx.Done():
		return problem.Of(ctx.Err())
	}
	select {
	case err := <-done:
		return problem.If(err)
	case <-ctx.Done():
		return problem.Of(ctx.Err())
	}
}
