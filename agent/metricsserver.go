package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/metrics"
	"github.com/voipbl/voipbl/state"
)

// metricsServer serves metrics to Prometheus.
type metricsServer struct {
	d       *daemon
	handler http.Handler
	watch   *blocklist.Watch // for one collection of metrics at a time

	collector *metrics.Collector

	mu     sync.Mutex // for the fields below
	server *http.Server
	at     netip.AddrPort
}

func newMetricsServer(d *daemon) *metricsServer {
	m := &metricsServer{d: d, watch: blocklist.NewWatch(&d.headers)}
	m.collector = metrics.New(m.status)
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.collector, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("voipbl: see /metrics\n"))
	})
	m.handler = mux
	return m
}

// listen serves at an address, and stops serving at the one before. An address in use does not
// stop the agent: it is tried again at the next reload, and after metricsAgain if listen
// returns true.
func (m *metricsServer) listen(at netip.AddrPort) (again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != nil && m.at == at {
		return false
	}
	m.stop()
	if m.at = at; !at.IsValid() {
		return false
	}
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		remedy := problem.ShortageRemedy(err)
		if remedy == "" {
			remedy = "choose another port with metrics.listen, then \"voipbl reload\""
		}
		m.d.warn("metrics", []string{fmt.Sprintf("metrics are not served at %s: %v: %s", at, err, remedy)})
		return true
	}
	m.d.warn("metrics", nil)
	m.server = &http.Server{Handler: m.handler, ReadHeaderTimeout: state.RequestWait, WriteTimeout: time.Minute, IdleTimeout: time.Minute}
	go func(server *http.Server) {
		if err := server.Serve(limited(listener, mostScrapes)); !errors.Is(err, http.ErrServerClosed) {
			m.d.log.Error("metrics are not served any more", "error", err)
		}
	}(m.server)
	return false
}

// metricsAgain is how often listening is tried again after it failed.
const metricsAgain = time.Minute

// listenForMetrics serves metrics at the configured address.
func (d *daemon) listenForMetrics(_ context.Context, now time.Time) {
	d.agenda.drop(metricsTask)
	if d.metrics.listen(d.cfg.Metrics.Listen) {
		d.agenda.set(metricsTask, now.Add(metricsAgain))
	}
}

func (m *metricsServer) stop() {
	if m.server != nil {
		m.server.Close()
		m.server = nil
	}
}

func (m *metricsServer) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop()
}

// statusWait is how long reading what metrics tell may take.
const statusWait = time.Minute

// status returns the host's status, and the configuration in force.
func (m *metricsServer) status() (*blocklist.Status, config.Config, error) {
	agent, cfg := m.d.snapshot(), *m.d.shared.Load()
	s, err := m.watch.Status(statusWait, cfg, m.d.opts.Version, time.Now(), &agent, m.d.book)
	return s, cfg, err
}
