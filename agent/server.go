package agent

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// agentState is an AgentStatus that is written by the agent and read by whoever
// asks.
type agentState struct {
	mu  sync.Mutex
	now AgentStatus
}

func (s *agentState) change(change func(*AgentStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

// get returns a copy that nobody writes to: maps and slices in it are replaced, not
// changed.
func (s *agentState) get() AgentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// control is the server of the socket.
type control struct {
	server *http.Server
	folder *os.File
}

// listen answers until it is closed. The caller holds the agent's lock, so a socket
// that is there is one that a killed agent has left.
func (d *daemon) listen(bans *banServer) (*control, error) {
	folder, err := os.Open(d.cfg.RunDir)
	if err != nil {
		return nil, &RunDirError{err}
	}
	if err := os.Remove(filepath.Join(d.cfg.RunDir, socketFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		folder.Close()
		return nil, &RunDirError{err}
	}
	old := unix.Umask(0o177) // from its first moment nobody else can connect
	listener, err := net.Listen("unix", socketPath(folder))
	unix.Umask(old)
	if err != nil {
		folder.Close()
		return nil, &RunDirError{err}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, _ *http.Request) { respond(w, d.snapshot()) })
	mux.HandleFunc("GET "+configPath, func(w http.ResponseWriter, _ *http.Request) {
		text, err := d.shared.Load().YAML()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		respond(w, string(text))
	})
	mux.HandleFunc("GET "+rulesPath, func(w http.ResponseWriter, r *http.Request) { respond(w, d.outlook(r.Context())) })
	mux.HandleFunc("POST "+reloadPath, func(w http.ResponseWriter, r *http.Request) {
		respond(w, ask(r.Context(), d.asks, mayLose(r.URL.Query())))
	})
	mux.HandleFunc("POST "+bansPath, bans.serve)
	mux.HandleFunc("POST "+allowedPath, func(w http.ResponseWriter, r *http.Request) { respond(w, ask(r.Context(), d.allows, LoseNothing)) })
	c := &control{&http.Server{Handler: mux, ReadHeaderTimeout: requestWait, IdleTimeout: requestWait}, folder}
	go c.server.Serve(limited(listener, mostAsks))
	return c, nil
}

func (c *control) close() {
	c.server.Close()
	c.folder.Close()
}

// snapshot is how the agent is at this moment.
func (d *daemon) snapshot() AgentStatus {
	s := d.state.get()
	cfg := *d.shared.Load()
	s.StateFolder, s.Unkept = agentDenied(cfg), stillUnkept(cfg, s.Unkept)
	next, busy := d.fetcher.plans()
	s.Next, s.Fetching, s.FetchingFeeds = next, !busy.IsZero(), d.fetcher.fetching()
	return s
}

// request is something that the loop is asked to do.
type request struct {
	mayLose MayLose // of a reload
	done    chan<- error
}

// ask has the loop do something, and waits for what becomes of it.
func ask(ctx context.Context, asks chan<- request, may MayLose) *Problem {
	done := make(chan error, 1)
	select {
	case asks <- request{may, done}:
	case <-ctx.Done():
		return problemOf(ctx.Err())
	}
	select {
	case err := <-done:
		return problemIf(err)
	case <-ctx.Done():
		return problemOf(ctx.Err())
	}
}
