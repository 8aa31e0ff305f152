package metrics

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// every is the pause between two looks at the host, however often metrics are scraped. It is a little
// shorter than the usual interval of 15 seconds, so that each of those scrapes looks anew.
const every = 14 * time.Second

// Collector collects the metrics of a host. It is a [prometheus.Collector].
type Collector struct {
	read func() (*blocklist.Status, config.Config, error)

	mu     sync.Mutex // one collection at a time
	last   *blocklist.Status
	cfg    config.Config // the configuration that last was read with
	lastAt time.Time
}

// New returns a collector that calls read for the host's status and the configuration in force,
// at most every 14 seconds. The status must have the agent's part.
func New(read func() (*blocklist.Status, config.Config, error)) *Collector {
	return &Collector{read: read}
}

// Status returns what was read, at most so long ago, and the configuration in force then.
func (c *Collector) Status(age time.Duration) (*blocklist.Status, config.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && time.Since(c.lastAt) < age {
		return c.last, c.cfg, nil
	}
	s, cfg, err := c.read()
	if err == nil {
		c.last, c.cfg, c.lastAt = s, cfg, time.Now()
	}
	return s, cfg, err
}

// metric describes one of voipbl's metrics.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("voipbl_"+name, help, labels, nil)
}

var (
	metricBuild     = metric("build_info", "The version that runs; the value is 1.", "version", "goversion")
	metricProtected = metric("protected", "1 if the sets hold something and a rule drops their members.")
	metricFamily    = metric("family_protected", "0 if IPv4 or IPv6 alone is not protected as configured. A family that is left alone has none.", "family")
	metricApplied   = metric("applied_timestamp_seconds", "When the lists were last applied.")
	metricStep      = metric("apply_step_seconds", "How long each step of the last apply took.", "step")
	metricApplies   = metric("applies_total", "How often the lists were applied, by result.", "result")
	metricEntries   = metric("set_entries", "Entries of a set, as the lists have them.", "set")
	metricPieces    = metric("set_kernel_entries", "Entries of a set in the kernel, where those of the lists may be in pieces (shape).", "set")
	metricMemory    = metric("set_memory_bytes", "Memory that the kernel needs for a set.", "set")
	metricLengths   = metric("set_prefix_lengths", "Prefix lengths of a set's entries, as the lists have them.", "set")
	metricProbes    = metric("set_kernel_prefix_lengths", "Prefix lengths of a set's entries in the kernel; each packet costs a probe for each.", "set")
	metricPackets   = metric("dropped_packets_total", "Packets that the rules for a set have dropped as they came in.", "set")
	metricBytes     = metric("dropped_bytes_total", "Bytes of these packets.", "set")
	metricFeed      = metric("feed_entries", "Entries in the last good copy of a feed.", "feed")
	metricRejected  = metric("feed_rejected_lines", "Rejected lines of a feed, by reason.", "feed", "reason")
	metricSuccess   = metric("feed_last_success_timestamp_seconds", "When a feed was last known to be current.", "feed")
	metricAttempt   = metric("feed_last_attempt_timestamp_seconds", "When a fetch of a feed was last tried.", "feed")
	metricNext      = metric("feed_next_attempt_timestamp_seconds", "When a feed from the network is due.", "feed")
	metricFetch     = metric("feed_fetch_seconds", "How long the last fetch of a feed took.", "feed")
	metricFailures  = metric("feed_failures", "Failures of a feed in a row.", "feed")
	metricStale     = metric("feed_stale", "1 if a feed had no success for three times its interval.", "feed")
	metricHeld      = metric("feed_held", "1 if a new list of a feed waits to be believed.", "feed")
	metricMirrored  = metric("feed_mirrored", "1 if a mirror of the fleet has fetched the list of a feed, 0 if this host has.", "feed")
	metricWaiting   = metric("lists_held", "1 if newer lists wait, since they would cut off somebody who has a call or a TCP connection (on_impact: hold).")
	metricSpared    = metric("spared_addresses", "Addresses on lists that are not blocked while their calls go on (on_impact: protect).")
	metricChanged   = metric("feed_content_changed_timestamp_seconds", "When what a feed from the network lists last changed.", "feed")
	metricFrozen    = metric("feed_frozen", "1 if a feed's source answers, and its list has not changed for longer than frozen_after says.", "feed")
	metricStopped   = metric("feed_stopped_packets_total", "Packets that entries of a feed have stopped, as last written down: at a change of the sets, and every hour.", "feed")
	metricOnly      = metric("feed_only_stopped_packets_total", "Those of entries of which no other feed had a part.", "feed")
	metricBans      = metric("bans", "Bans of this host that are in force.")
	metricPhones    = metric("phones", "Registered phones that are known.")
	metricRepairs   = metric("repairs_total", "Changes of others to our rules and sets that were undone.", "what")
	metricTrial     = metric("rules_on_trial", "1 if base rules wait for a confirmation.")
	metricBase      = metric("base_rules", "1 if the base rules are in the kernel.")
	metricObstacles = metric("rules_obstacles", "Why rules that are installed do not have their effect: no packet comes to them (unreached), another firewall drops what they let in (dropped-elsewhere), or packets go past them (bypassed).", "kind")
	metricConfig    = metric("config_ok", "0 if the last reload of the configuration was refused.")
	metricLoaded    = metric("config_loaded_timestamp_seconds", "When the configuration in force was loaded.")
)

// Metrics of a PBX that is connected.
var (
	metricWatched  = metric("pbx_watched", "0 if the PBX is not watched as configured.")
	metricHeard    = metric("pbx_heard_timestamp_seconds", "When the process that watches the PBX has last told how it is.")
	metricMessage  = metric("pbx_last_message_timestamp_seconds", "When the PBX has last copied a SIP message to voipbl.")
	metricMessages = metric("pbx_messages_total", "SIP messages of the PBX that were seen.")
	metricLost     = metric("pbx_lost_messages_total", "Copies of SIP messages that came too fast to be read.")
	metricRefused  = metric("pbx_refused_messages_total", "Datagrams that were not read, by reason: they have not the password, or cannot be understood.", "reason")
	metricEvents   = metric("pbx_events_total", "Events of Asterisk's manager interface that were seen.")
	metricDropped  = metric("pbx_dropped_events_total", "Events that Asterisk cannot have written.")
	metricAskedFor = metric("pbx_bans_total", "Bans that what the PBX sees has led to. Those of exempt addresses are refused.")
)

// Metrics of a host in a fleet.
var (
	metricFleetOK        = metric("fleet_ok", "0 if this host and the others of the fleet do not know of each other's bans as configured.")
	metricFleetConnected = metric("fleet_connected", "1 if this host is connected to the hub of the fleet.")
	metricFleetHeardAt   = metric("fleet_heard_timestamp_seconds", "When the process that talks with the hub has last told how it is.")
	metricFleetBans      = metric("fleet_bans", "Bans of other hosts that are in force here.")
	metricFleetHosts     = metric("fleet_hosts", "Other hosts that have said their bans.")
	metricFleetHeard     = metric("fleet_heard_bans", "Bans that other hosts have said.")
	metricFleetBelieved  = metric("fleet_believed_bans", "Addresses whose bans by others count here.")
	metricFleetUnsaid    = metric("fleet_unsaid_bans", "Bans of this host that the hub does not have yet.")
	metricFleetIgnored   = metric("fleet_ignored_messages_total", "Messages that were not understood.")
)

// Describe is part of [prometheus.Collector]. It describes nothing, since the metrics depend on
// the configuration.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect is part of [prometheus.Collector].
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s, cfg, err := c.Status(every)
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
	for _, f := range iptables.Families {
		if settings.WantsRules(cfg, f) {
			gauge(metricFamily, one(!s.Open(f)), f.String())
		}
	}
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		gauge(metricEntries, float64(set.Entries), set.Name)
		gauge(metricMemory, float64(set.Memory), set.Name)
		gauge(metricLengths, float64(len(set.Lengths)), set.Name)
		gauge(metricPieces, float64(set.KernelEntries), set.Name)
		gauge(metricProbes, float64(len(set.KernelLengths)), set.Name)
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
		gauge(metricMirrored, one(f.Mirror != ""), f.Name)
		if l := s.Stopped[f.Name]; l != nil {
			counter(metricStopped, float64(l.Packets), f.Name)
			counter(metricOnly, float64(l.Only), f.Name)
		}
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
	gauge(metricWaiting, one(s.Held != nil))
	gauge(metricSpared, float64(len(s.Spared)))
	gauge(metricBans, float64(s.Bans))
	gauge(metricPhones, float64(s.Phones))
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
	if cfg.PBX.Watched() {
		gauge(metricWatched, one(len(s.PBXProblems) == 0))
		if r := s.Agent.PBX; r != nil {
			sendPBX(r, gauge, counter)
		}
	}
	if s.Fleet != nil {
		sendFleet(s, gauge, counter)
	}
}

// sendFleet sends how it is with the fleet.
func sendFleet(s *blocklist.Status, gauge, counter func(*prometheus.Desc, float64, ...string)) {
	gauge(metricFleetOK, one(len(s.Fleet.Problems) == 0))
	gauge(metricFleetBans, float64(s.Fleet.Bans))
	r := s.Agent.Fleet
	if r == nil {
		gauge(metricFleetConnected, 0)
		return
	}
	gauge(metricFleetConnected, one(s.Fleet.Connected))
	gauge(metricFleetHeardAt, unixSeconds(r.At))
	gauge(metricFleetHosts, float64(r.Health.Hosts))
	gauge(metricFleetHeard, float64(r.Health.Heard))
	gauge(metricFleetBelieved, float64(r.Health.Believed))
	gauge(metricFleetUnsaid, float64(r.Health.Unsaid))
	counter(metricFleetIgnored, float64(r.Health.Ignored))
}

// sendPBX sends what the process that watches the PBX has told. It counts since it was started.
func sendPBX(r *link.Reported, gauge, counter func(*prometheus.Desc, float64, ...string)) {
	gauge(metricHeard, unixSeconds(r.At))
	counter(metricAskedFor, float64(r.Health.Bans))
	if h := r.Health.HEP; h != nil {
		gauge(metricMessage, unixSeconds(h.Last))
		counter(metricMessages, float64(h.Packets))
		counter(metricLost, float64(h.Lost))
		counter(metricRefused, float64(h.WrongKey), "password")
		counter(metricRefused, float64(h.Damaged), "damaged")
	}
	if a := r.Health.AMI; a != nil {
		counter(metricEvents, float64(a.Events))
		counter(metricDropped, float64(a.Dropped))
	}
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
