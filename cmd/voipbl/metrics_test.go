package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	fleetlink "github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/metricnames"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// metricsAt is where the agents of tests serve their metrics.
const metricsAt = "127.0.0.1:9617"

// askMetrics returns what the agent answers. It dials by itself: net/http would do so
// in another goroutine, and so in another network namespace.
func (h *host) askMetrics() []byte {
	h.t.Helper()
	conn, err := net.DialTimeout("tcp", metricsAt, time.Minute)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		h.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		h.t.Fatalf("metrics: %v", err)
	}
	return answer
}

// metricsOf reads the values out of an answer.
func metricsOf(answer []byte) map[string]float64 {
	values := make(map[string]float64)
	for line := range strings.Lines(string(answer)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = v
		}
	}
	return values
}

// scrape reads the agent's metrics.
func (h *host) scrape() map[string]float64 {
	h.t.Helper()
	answer := h.askMetrics()
	if !bytes.Contains(answer, []byte(" 200 OK\r\n")) {
		h.t.Fatalf("metrics: %s", answer)
	}
	return metricsOf(answer)
}

// knockFrom sends a packet to this host from an address that is not its own, for
// those are protected. The rules have seen it when knockFrom returns: loopback
// delivers before send does.
func (h *host) knockFrom(addr string) {
	h.t.Helper()
	from := net.Dialer{
		LocalAddr: &net.UDPAddr{IP: net.ParseIP(addr)},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1) })
			return err
		},
	}
	conn, err := from.Dial("udp4", "127.0.0.1:5060")
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		h.t.Fatal(err)
	}
}

// TestMetrics: what is served is how things stand in the kernel, and asking often
// costs no more than asking every 15 seconds.
func TestMetrics(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	h.startFar("6.6.6.0/24\n6.6.8.8\n10.0.0.1\n2a00:1::/32\n4.0.0.0/6\n")
	writeFile(t, filepath.Join(h.dir, "list"), "127.9.9.9\n5.5.5.5\n")
	config := h.configure("pbx: {hep: \"127.0.0.1:460\", ami: \"127.0.0.1:5038\"}\nfleet: {hub: [\"tls://45.9.9.9:4222\"]}\n", farFeed, h.nearFeed())
	if err := os.MkdirAll(filepath.Join(h.dir, "state"), 0o750); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(h.dir, "state", "pbx.json"), `{"hep": "one", "ami": "two"}`)
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	h.eventually("the far list is in force", 20*time.Second, func() bool { return len(h.members("voip_bl")) == 256+2 }) // 6.6.6.0/24 in pieces
	h.must("iptables", "-F", "INPUT")
	h.eventually("the rule is back", 15*time.Second, func() bool { return r.status().Agent.Repairs.Rules == 1 })
	h.knockFrom("6.6.8.8")
	h.knockFrom("5.5.5.5")
	h.knockFrom("5.5.5.6") // which is not blocked

	health := link.Health{
		HEP: &link.HEP{Packets: 7, WrongKey: 2, Damaged: 3, Lost: 4, Last: time.Now()}, AMI: &link.AMI{Events: 5, Dropped: 6}, Bans: 8, Tells: []link.Tell{},
	}
	if err := state.TellPBX(t.Context(), filepath.Join(h.dir, "run"), link.HealthPath, time.Minute, health, new(struct{})); err != nil {
		t.Fatal(err)
	}

	inFleet := fleetlink.Health{
		Since: time.Now(), Name: "acme_pbx7", Hub: "tls://45.9.9.9:4222", Connected: time.Now(), Synced: true,
		Hosts: 9, Heard: 10, Believed: 11, Unsaid: 12, Ignored: 13,
	}
	if err := state.TellFleet(t.Context(), filepath.Join(h.dir, "run"), fleetlink.HealthPath, time.Minute, inFleet, new(struct{})); err != nil {
		t.Fatal(err)
	}

	got := r.scrape()
	now := float64(time.Now().Unix())
	for name, want := range map[string]float64{
		`voipbl_protected`:                                     1,
		`voipbl_set_entries{set="voip_bl"}`:                    3,
		`voipbl_set_entries{set="voip_bl6"}`:                   1,
		`voipbl_set_prefix_lengths{set="voip_bl"}`:             2,
		`voipbl_set_kernel_entries{set="voip_bl6"}`:            1,
		`voipbl_set_kernel_entries{set="voip_bl"}`:             256 + 2,
		`voipbl_set_kernel_prefix_lengths{set="voip_bl"}`:      1,
		`voipbl_feed_entries{feed="far"}`:                      4,
		`voipbl_feed_entries{feed="mine"}`:                     2,
		`voipbl_feed_failures{feed="far"}`:                     0,
		`voipbl_feed_stale{feed="far"}`:                        0,
		`voipbl_feed_held{feed="far"}`:                         0,
		`voipbl_feed_frozen{feed="far"}`:                       0,
		`voipbl_feed_stopped_packets_total{feed="far"}`:        0,
		`voipbl_lists_held`:                                    0,
		`voipbl_spared_addresses`:                              0,
		`voipbl_bans`:                                          0,
		`voipbl_phones`:                                        0,
		`voipbl_pbx_watched`:                                   1,
		`voipbl_fleet_ok`:                                      1,
		`voipbl_fleet_connected`:                               1,
		`voipbl_fleet_bans`:                                    0,
		`voipbl_fleet_hosts`:                                   9,
		`voipbl_fleet_heard_bans`:                              10,
		`voipbl_fleet_believed_bans`:                           11,
		`voipbl_fleet_unsaid_bans`:                             12,
		`voipbl_fleet_ignored_messages_total`:                  13,
		`voipbl_pbx_bans_total`:                                8,
		`voipbl_pbx_messages_total`:                            7,
		`voipbl_pbx_lost_messages_total`:                       4,
		`voipbl_pbx_refused_messages_total{reason="password"}`: 2,
		`voipbl_pbx_refused_messages_total{reason="damaged"}`:  3,
		`voipbl_pbx_events_total`:                              5,
		`voipbl_pbx_dropped_events_total`:                      6,
		`voipbl_repairs_total{what="rules"}`:                   1,
		`voipbl_repairs_total{what="sets"}`:                    0,
		`voipbl_applies_total{result="failed"}`:                0,
		`voipbl_rules_on_trial`:                                0,
		`voipbl_rules_obstacles{kind="unreached"}`:             0,
		`voipbl_base_rules`:                                    0,
		`voipbl_config_ok`:                                     1,
		`voipbl_dropped_packets_total{set="voip_bl"}`:          2,
		`voipbl_dropped_bytes_total{set="voip_bl"}`:            2 * 29, // a byte after the headers of IP and UDP
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for _, name := range []string{
		`voipbl_applied_timestamp_seconds`, `voipbl_feed_last_success_timestamp_seconds{feed="far"}`,
		`voipbl_feed_last_attempt_timestamp_seconds{feed="far"}`, `voipbl_feed_content_changed_timestamp_seconds{feed="far"}`, `voipbl_config_loaded_timestamp_seconds`,
		`voipbl_fleet_heard_timestamp_seconds`, `voipbl_pbx_heard_timestamp_seconds`, `voipbl_pbx_last_message_timestamp_seconds`,
	} {
		if age := now - got[name]; age < -1 || age > 60 {
			t.Errorf("%s is %v s old", name, age)
		}
	}
	if next := got[`voipbl_feed_next_attempt_timestamp_seconds{feed="far"}`]; next <= now {
		t.Errorf("the next attempt is at %v, and now is %v", next, now)
	}
	for _, name := range []string{`voipbl_set_memory_bytes{set="voip_bl"}`, `voipbl_apply_step_seconds{step="kernel"}`, `voipbl_feed_fetch_seconds{feed="far"}`, `process_resident_memory_bytes`, `go_goroutines`} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	rejected := 0.0
	for name, v := range got {
		if strings.HasPrefix(name, `voipbl_feed_rejected_lines{feed="far",reason=`) {
			rejected += v
		}
	}
	if rejected != 1 {
		t.Errorf("%v rejected lines of far, not 1: %v", rejected, got)
	}

	// What the dashboard and the alerts ask for is there.
	for _, file := range []string{"grafana/voipbl.json", "prometheus/voipbl-alerts.yml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricnames.In(text) {
			served := strings.HasPrefix(name, "voipbl_hub_") // of a hub: TestFleetRoll
			for is := range got {
				served = served || is == name || strings.HasPrefix(is, name+"{")
			}
			if !served {
				t.Errorf("%s asks for %s, which is not served", file, name)
			}
		}
	}

	// What happens now is not seen before 15 seconds are over.
	begun := time.Now()
	h.must("voipbl", "--config", config, "ban", "7.7.7.7")
	seen := r.scrape()["voipbl_bans"]
	if seen != 0 {
		t.Error("the kernel is asked each time")
	}
	h.eventually("the ban is seen", 30*time.Second, func() bool { return r.scrape()["voipbl_bans"] == 1 })
	if took := time.Since(begun); took < 5*time.Second {
		t.Errorf("seen after %s", took)
	}

	// What each list has stopped is written down when a list changes.
	writeFile(t, filepath.Join(h.dir, "list"), "5.5.5.5\n5.5.9.9\n6.6.6.6\n")
	h.eventually("what the lists have stopped is told", 40*time.Second, func() bool {
		got = r.scrape()
		return got[`voipbl_feed_stopped_packets_total{feed="mine"}`] == 1 && got[`voipbl_feed_only_stopped_packets_total{feed="mine"}`] == 1 &&
			got[`voipbl_feed_stopped_packets_total{feed="far"}`] == 1 && got[`voipbl_feed_only_stopped_packets_total{feed="far"}`] == 1
	})
}
