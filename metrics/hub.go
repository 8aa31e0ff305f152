package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/enroll"
)

// Metrics of the hub of a fleet, of which "voipbl fleet status --metrics" writes a file.
var (
	metricHubLooked    = metric("hub_looked_timestamp_seconds", "When these metrics of the fleet were written.")
	metricHubOK        = metric("hub_ok", "0 if something is wrong with the hub itself: its server, its streams, its certificate.")
	metricHubHosts     = metric("hub_hosts", "Hosts of the fleet by their state.", "state")
	metricHubLook      = metric("hub_host_needs_look", "1 of each host that needs a look, with its state.", "host", "state")
	metricHubProtected = metric("hub_host_protected", "1 if the host said in its last heartbeat that it is protected.", "host")
	metricHubSeen      = metric("hub_host_seen_timestamp_seconds", "When the hub got the last heartbeat of the host.", "host")
	metricHubListAge   = metric("hub_host_list_age_seconds", "How long ago the list of the host was known to be current that is the oldest, as of its last heartbeat.", "host")
	metricHubBans      = metric("hub_host_bans", "Bans of others that were in force on the host at its last heartbeat.", "host")
)

// hub sends what was seen of a fleet.
type hub struct {
	s   *enroll.HubStatus
	now time.Time
}

// WriteHub writes the metrics of the hub and all hosts into a file, in place of what it was.
func WriteHub(name string, s *enroll.HubStatus, now time.Time) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(hub{s, now}); err != nil {
		return err
	}
	return prometheus.WriteToTextfile(name, registry)
}

// Describe is part of [prometheus.Collector]. It describes nothing: which metrics there are depends on the
// hosts.
func (h hub) Describe(chan<- *prometheus.Desc) {}

// Collect is part of [prometheus.Collector].
func (h hub) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(metricHubLooked, unixSeconds(h.now))
	gauge(metricHubOK, one(h.s.Answers && len(h.s.Problems) == 0))
	count := make(map[beat.State]int)
	for _, host := range h.s.Hosts {
		count[host.State]++
	}
	for _, state := range beat.States {
		gauge(metricHubHosts, float64(count[state]), string(state))
	}
	for _, host := range h.s.Hosts {
		name := host.Name.String()
		if host.State.Bad() {
			gauge(metricHubLook, 1, name, string(host.State))
		}
		b := host.Heartbeat
		if b == nil || !host.Revoked.IsZero() {
			continue
		}
		gauge(metricHubSeen, unixSeconds(host.Seen), name)
		gauge(metricHubBans, float64(b.Bans), name)
		if b.Agent {
			gauge(metricHubProtected, one(b.Protected), name)
		}
		if age, ok := b.OldestList(); ok {
			gauge(metricHubListAge, float64(age), name)
		}
	}
}
