package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// metricsEvery is how old metrics may be. The kernel is not read more often than that, however
// often metrics are scraped.
const metricsEvery = 15 * time.Second

// metricsServer serves metrics to Prometheus.
type metricsServer struct {
	d       *daemon
	handler http.Handler

	mu     sync.Mutex // for the fields below
	server *http.Server
	at     netip.AddrPort

	collecting sync.Mutex // one collection at a time
	last       *blocklist.Status
	lastAt     time.Time
}

func newMetricsServer(d *daemon) *metricsServer {
	m := &metricsServer{d: d}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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

// status returns a status that is at most metricsEvery old.
func (m *metricsServer) status() (*blocklist.Status, error) {
	m.collecting.Lock()
	defer m.collecting.Unlock()
	if m.last != nil && time.Since(m.lastAt) < metricsEvery {
		return m.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	agent := m.d.snapshot()
	s, err := blocklist.StatusOf(ctx, *m.d.shared.Load(), m.d.opts.Version, time.Now(), &agent, nil, nil, m.d.book, blocklist.File{})
	if err != nil {
		return nil, err
	}
	m.last, m.lastAt = s, time.Now()
	return s, nil
}

// metric describes one of voipbl's metrics.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("voipbl_"+name, help, labels, nil)
}

var (
	metricBuild     = metric("build_info", "What runs; the value is 1.", "version", "goversion")
	metricProtected = metric("protected", "1 if the sets hold something and a rule drops their members.")
	metricFamily    = metric("family_protected", "0 if IPv4 or IPv6 alone is not protected as configured. A family that is left alone has none.", "family")
	metricApplied   = metric("applied_timestamp_seconds", "When the kernel was last made to hold the lists.")
	metricStep      = metric("apply_step_seconds", "How long each step of the last apply took.", "step")
	metricApplies   = metric("applies_total", "How often the kernel was made to hold the lists, by what came of it.", "result")
	metricEntries   = metric("set_entries", "Entries of a set.", "set")
	metricMemory    = metric("set_memory_bytes", "Memory that the kernel needs for a set.", "set")
	metricLengths   = metric("set_prefix_lengths", "Prefix lengths that occur in a set; each packet costs a probe for each.", "set")
	metricPackets   = metric("dropped_packets_total", "Packets that the rules for a set have dropped as they came in.", "set")
	metricBytes     = metric("dropped_bytes_total", "Bytes of these packets.", "set")
	metricFeed      = metric("feed_entries", "Entries in the last good copy of a feed.", "feed")
	metricRejected  = metric("feed_rejected_lines", "Lines of a feed that gave nothing, by reason.", "feed", "reason")
	metricSuccess   = metric("feed_last_success_timestamp_seconds", "When a feed was last known to be current.", "feed")
	metricAttempt   = metric("feed_last_attempt_timestamp_seconds", "When a feed was last asked for.", "feed")
	metricNext      = metric("feed_next_attempt_timestamp_seconds", "When a feed from the network is due.", "feed")
	metricFetch     = metric("feed_fetch_seconds", "How long the last fetch of a feed took.", "feed")
	metricFailures  = metric("feed_failures", "Failures of a feed in a row.", "feed")
	metricStale     = metric("feed_stale", "1 if a feed had no success for three times its interval.", "feed")
	metricHeld      = metric("feed_held", "1 if a new list of a feed waits to be believed.", "feed")
	metricChanged   = metric("feed_content_changed_timestamp_seconds", "When what a feed from the network lists last changed.", "feed")
	metricFrozen    = metric("feed_frozen", "1 if a feed's source answers, and its list has not changed for longer than frozen_after says.", "feed")
	metricBans      = metric("bans", "Bans of this host that are in force.")
	metricRepairs   = metric("repairs_total", "Changes of others to our rules and sets that were undone.", "what")
	metricTrial     = metric("rules_on_trial", "1 if base rules wait for a confirmation.")
	metricBase      = metric("base_rules", "1 if the base rules are in the kernel.")
	metricObstacles = metric("rules_obstacles", "Why rules that are installed do not have their effect: no packet comes to them (unreached), another firewall drops what they let in (dropped-elsewhere), or packets go past them (bypassed).", "kind")
	metricConfig    = metric("config_ok", "0 if the last reload of the configuration was refused.")
	metricLoaded    = metric("config_loaded_timestamp_seconds", "When the configuration in force was loaded.")
)

// Describe is part of [prometheus.Collector]. It describes nothing, since the metrics depend on
// the configuration.
func (m *metricsServer) Describe(chan<- *prometheus.Desc) {}

// Collect is part of [prometheus.Collector].
func (m *metricsServer) Collect(out chan<- prometheus.Metric) {
	s, err := m.status()
	if err != nil {
		out <- prometheus.NewInvalidMetric(metricProtected, err)
		return
	}
	send := func(kind prometheus.ValueType) func(*prometheus.Desc, float64, ...string) {
		return func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
		}
	}
	gauge, counter := send(prometheus.GaugeValue), send(prometheus.CounterValue)
	gauge(metricBuild, 1, s.Version, runtime.Version())
	gauge(metricProtected, one(s.Protected))
	for _, f := range firewall.Families {
		if settings.WantsRules(*m.d.shared.Load(), f) {
			gauge(metricFamily, one(!s.InTrouble(f) && !(f == firewall.IPv6 && s.IPv6Trouble() != nil)), f.String())
		}
	}
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		gauge(metricEntries, float64(set.Entries), set.Name)
		gauge(metricMemory, float64(set.Memory), set.Name)
		gauge(metricLengths, float64(len(set.Lengths)), set.Name)
		packets, bytes := s.Rules.Dropped(set.Name)
		counter(metricPackets, float64(packets), set.Name)
		counter(metricBytes, float64(bytes), set.Name)
	}
	for _, f := range s.Feeds {
		gauge(metricFeed, float64(f.Entries), f.Name)
		gauge(metricSuccess, unixSeconds(f.LastSuccess), f.Name)
		gauge(metricAttempt, unixSeconds(f.LastAttempt), f.Name)
		gauge(metricFailures, float64(f.Failures), f.Name)
		gauge(metricStale, one(f.Stale), f.Name)
		gauge(metricHeld, one(f.Held != nil), f.Name)
		gauge(metricFrozen, one(f.Frozen), f.Name)
		if !f.ContentChanged.IsZero() {
			gauge(metricChanged, unixSeconds(f.ContentChanged), f.Name)
		}
		if !f.Next.IsZero() {
			gauge(metricNext, unixSeconds(f.Next), f.Name)
		}
		if took, ok := s.Agent.FetchSeconds[f.Name]; ok {
			gauge(metricFetch, took, f.Name)
		}
		for reason, n := range s.Agent.Rejected[f.Name] {
			gauge(metricRejected, float64(n), f.Name, reason)
		}
	}
	gauge(metricBans, float64(s.Bans))
	gauge(metricTrial, one(s.Rules.Pending != nil))
	gauge(metricBase, one(s.Rules.Base == rules.BaseOn))
	for _, kind := range []reach.ObstacleKind{reach.Unreached, reach.DroppedElsewhere, reach.Bypassed} {
		n := 0
		for _, o := range s.Rules.Obstacles {
			if o.Kind == kind {
				n++
			}
		}
		gauge(metricObstacles, float64(n), string(kind))
	}
	sendAgent(s.Agent, gauge, counter)
}

// sendAgent sends the metrics that only the agent knows.
func sendAgent(a *state.AgentStatus, gauge, counter func(*prometheus.Desc, float64, ...string)) {
	gauge(metricApplied, unixSeconds(a.Applied))
	for _, step := range a.Steps {
		gauge(metricStep, step.Seconds, step.Name)
	}
	counter(metricApplies, float64(a.Applies.Written), "written")
	counter(metricApplies, float64(a.Applies.Unchanged), "unchanged")
	counter(metricApplies, float64(a.Applies.Failed), "failed")
	counter(metricRepairs, float64(a.Repairs.Rules), state.RepairRules)
	counter(metricRepairs, float64(a.Repairs.Sets), state.RepairSets)
	gauge(metricConfig, one(a.ConfigError == nil))
	gauge(metricLoaded, unixSeconds(a.ConfigLoaded))
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unixSeconds returns a time in seconds; 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
