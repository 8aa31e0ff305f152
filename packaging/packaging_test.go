// Package packaging_test holds the dashboard and the alert rules against the
// metrics that the agent serves, and has promtool try them.
package packaging_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/metricnames"
	"github.com/voipbl/voipbl/internal/testskip"
)

const (
	dashboardFile = "grafana/voipbl.json"
	alertsFile    = "prometheus/voipbl-alerts.yml"
	alertsTest    = "prometheus/voipbl-alerts.test.yml"
)

// served are the metrics that the agent serves, and those of the hub of a fleet in a file (voipbl_hub_…). People build on them: names are added, and
// never changed.
var served = []string{
	"voipbl_applied_timestamp_seconds",
	"voipbl_applies_total",
	"voipbl_apply_step_seconds",
	"voipbl_bans",
	"voipbl_base_rules",
	"voipbl_build_info",
	"voipbl_config_loaded_timestamp_seconds",
	"voipbl_config_ok",
	"voipbl_dropped_bytes_total",
	"voipbl_dropped_packets_total",
	"voipbl_family_protected",
	"voipbl_feed_content_changed_timestamp_seconds",
	"voipbl_feed_entries",
	"voipbl_feed_failures",
	"voipbl_feed_fetch_seconds",
	"voipbl_feed_frozen",
	"voipbl_feed_held",
	"voipbl_feed_last_attempt_timestamp_seconds",
	"voipbl_feed_last_success_timestamp_seconds",
	"voipbl_feed_next_attempt_timestamp_seconds",
	"voipbl_feed_only_stopped_packets_total",
	"voipbl_feed_rejected_lines",
	"voipbl_feed_stale",
	"voipbl_feed_stopped_packets_total",
	"voipbl_fleet_bans",
	"voipbl_fleet_believed_bans",
	"voipbl_fleet_connected",
	"voipbl_fleet_heard_bans",
	"voipbl_fleet_heard_timestamp_seconds",
	"voipbl_fleet_hosts",
	"voipbl_fleet_ignored_messages_total",
	"voipbl_fleet_ok",
	"voipbl_fleet_unsaid_bans",
	"voipbl_hub_host_bans",
	"voipbl_hub_host_list_age_seconds",
	"voipbl_hub_host_needs_look",
	"voipbl_hub_host_protected",
	"voipbl_hub_host_seen_timestamp_seconds",
	"voipbl_hub_hosts",
	"voipbl_hub_looked_timestamp_seconds",
	"voipbl_hub_ok",
	"voipbl_lists_held",
	"voipbl_pbx_bans_total",
	"voipbl_pbx_dropped_events_total",
	"voipbl_pbx_events_total",
	"voipbl_pbx_heard_timestamp_seconds",
	"voipbl_pbx_last_message_timestamp_seconds",
	"voipbl_pbx_lost_messages_total",
	"voipbl_pbx_messages_total",
	"voipbl_pbx_refused_messages_total",
	"voipbl_pbx_watched",
	"voipbl_phones",
	"voipbl_protected",
	"voipbl_repairs_total",
	"voipbl_rules_obstacles",
	"voipbl_rules_on_trial",
	"voipbl_set_entries",
	"voipbl_set_kernel_entries",
	"voipbl_set_kernel_prefix_lengths",
	"voipbl_set_memory_bytes",
	"voipbl_set_prefix_lengths",
	"voipbl_spared_addresses",
}

// dashboard is what the tests look at in Grafana's JSON.
type dashboard struct {
	UID           string
	SchemaVersion int
	Inputs        []struct{ Name, Type, PluginID string } `json:"__inputs"`
	Requires      []struct{ Type, ID string }             `json:"__requires"`
	Templating    struct {
		List []struct {
			Name, Definition string
			Datasource       source
		}
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  grid
	Datasource               source
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID, Expr string
		Datasource  source
	}
}

type source struct{ UID string }

type grid struct{ X, Y, W, H int }

func (a grid) overlaps(b grid) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// gridColumns is the width of every dashboard of Grafana.
const gridColumns = 24

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, dashboardFile), &d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	// 38 is what Grafana 10.0 writes: a later one would be too new for it.
	if d.UID != "voipbl" || d.SchemaVersion != 38 {
		t.Errorf("uid %q, schemaVersion %d", d.UID, d.SchemaVersion)
	}
	if len(d.Inputs) != 1 || d.Inputs[0].Name != "DS_PROMETHEUS" || d.Inputs[0].Type != "datasource" || d.Inputs[0].PluginID != "prometheus" {
		t.Errorf("inputs: %+v", d.Inputs)
	}
	input := source{"${DS_PROMETHEUS}"} // what the import replaces
	variables := d.Templating.List
	if len(variables) != 1 || variables[0].Name != "instance" || variables[0].Definition != "label_values(voipbl_build_info, instance)" || variables[0].Datasource != input {
		t.Errorf("variables: %+v", variables)
	}
	required := map[string]bool{"row": true} // a row is no plugin
	for _, r := range d.Requires {
		if r.Type == "panel" {
			required[r.ID] = true
		}
	}

	seen := map[int]string{}
	for i, p := range d.Panels {
		name := fmt.Sprintf("panel %d %q", p.ID, p.Title)
		if other, dup := seen[p.ID]; dup || p.ID <= 0 {
			t.Errorf("%s has an id of no use; %q has the same", name, other)
		}
		seen[p.ID] = p.Title
		if p.Title == "" || !required[p.Type] {
			t.Errorf("%s: no title, or its type %q is not in __requires", name, p.Type)
		}
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > gridColumns {
			t.Errorf("%s is outside of the grid: %+v", name, g)
		}
		for _, other := range d.Panels[:i] {
			if g.overlaps(other.GridPos) {
				t.Errorf("%s lies over %q", name, other.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource != input || len(p.Targets) == 0 {
			t.Errorf("%s lacks a description, a unit, the data source or a query", name)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if strings.TrimSpace(q.Expr) == "" || q.RefID == "" || refs[q.RefID] || q.Datasource != input {
				t.Errorf("%s: query %q has no text, no letter of its own or no data source: %q", name, q.RefID, q.Expr)
			}
			refs[q.RefID] = true
		}
	}
}

func TestMetricNames(t *testing.T) {
	var queries []byte
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			queries = append(queries, q.Expr+"\n"...)
		}
	}
	if diff := cmp.Diff(served, metricnames.In(queries)); diff != "" {
		t.Errorf("-served +shown by the dashboard:\n%s", diff)
	}
	// Not only queries: a name in a description or comment may be wrong as well.
	for _, file := range []string{dashboardFile, alertsFile, alertsTest} {
		for _, name := range metricnames.In(read(t, file)) {
			if !slices.Contains(served, name) {
				t.Errorf("%s: %s is not served", file, name)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert               string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, alertsFile), &file); err != nil {
		t.Fatal(err)
	}
	tests := string(read(t, alertsTest))
	var names []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
			}
			// Fires and is silent: that they do as they say is for promtool.
			if !strings.Contains(tests, "- alertname: "+r.Alert+"\n") || !strings.Contains(tests, "- {alertname: "+r.Alert+",") {
				t.Errorf("%s is not tested both ways", r.Alert)
			}
		}
	}
	want := []string{
		"VoipblNotProtected", "VoipblDown", "VoipblFeedStale", "VoipblFeedHeld", "VoipblListsHeld", "VoipblFeedFrozen",
		"VoipblDriftRepeated", "VoipblFamilyNotProtected", "VoipblConfigRefused", "VoipblRulesOnTrial", "VoipblApplyFailing",
		"VoipblPBXNotWatched", "VoipblFleetTrouble", "VoipblFleetHostNotProtected", "VoipblFleetHostNeedsLook", "VoipblHubTrouble", "VoipblHubNotLooked",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// promtool runs it. Only root is sure to get it.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	testskip.UnlessRoot(t)
	get := exec.Command("sh", "../testdata/promtool.sh")
	var trouble strings.Builder
	get.Stderr = &trouble
	path, err := get.Output()
	if err != nil {
		testskip.Missing(t, fmt.Sprintf("no promtool: %v: %s", err, trouble.String()))
	}
	if out, err := exec.Command(strings.TrimSpace(string(path)), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolChecksAlerts(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", alertsFile)
}

func TestPromtoolTestsAlerts(t *testing.T) {
	promtool(t, "test", "rules", alertsTest)
}

// TestPromtoolReadsQueries makes a recording rule of each query of the dashboard,
// for promtool reads no dashboards.
func TestPromtoolReadsQueries(t *testing.T) {
	// What Grafana replaces. Anything else with a dollar promtool refuses.
	grafana := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	type group struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	}
	all := group{Name: "dashboard"}
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			all.Rules = append(all.Rules, rule{fmt.Sprintf("panel%d:%s", p.ID, q.RefID), grafana.Replace(q.Expr)})
		}
	}
	text, err := json.MarshalIndent(map[string][]group{"groups": {all}}, "", " ") // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
