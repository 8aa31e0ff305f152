package page

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPage: docs/benchmarks.md is what results.json beside it gives, with all of its plots.
func TestPage(t *testing.T) {
	const docs = "../../../docs"
	text, err := os.ReadFile(docs + "/benchmarks/results.json")
	if err != nil {
		t.Fatal(err)
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	// The fleet came after the last whole run. The page leaves out its rows until the next one.
	if missing := r.Missing(); missing != nil && !slices.Equal(missing, []string{"fleet"}) {
		t.Errorf("no results of %q", missing)
	}
	notes, err := os.ReadFile(docs + "/benchmarks/notes.md")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	want, err := r.Markdown("benchmarks", string(notes))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(docs + "/benchmarks.md")
	if err != nil || string(got) != string(want) {
		t.Errorf(`%v: docs/benchmarks.md is not what its results give: "make bench RENDER=1" writes it again`, err)
	}
	plots, err := r.Plots()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(docs + "/benchmarks/*.svg")
	if err != nil || len(files) != len(plots) {
		t.Errorf("%v: %d plots, and the files %q", err, len(plots), files)
	}
	for name := range plots {
		if !strings.Contains(string(got), "(benchmarks/"+name+")") || !slices.Contains(files, filepath.Join(docs, "benchmarks", name)) {
			t.Errorf("%s is not shown, or is no file", name)
		}
	}
}

// samples are runs with these wall times, and twice as much CPU time.
func samples(walls ...float64) (all []Sample) {
	for _, w := range walls {
		all = append(all, Sample{Wall: w, CPU: 2 * w, Peak: w / 10})
	}
	return all
}

// TestGoals: a figure is the best run divided by the best run; what was not measured is not reached.
func TestGoals(t *testing.T) {
	r := Results{
		Syncs: []Sync{
			{Lines: Full, Entries: 71_432, Feeds: 1, Series: []Series{
				{Name: Restore, Samples: samples(200, 100, 300)}, {Name: RestoreRules, Samples: samples(120)},
				{Name: Cold, Samples: samples(33, 50)}, {Name: Unchanged, Samples: samples(22.1)},
			}},
			{Lines: Full, Entries: 71_432, Feeds: 256, Series: []Series{{Name: Cold, Samples: samples(250)}}},
		},
		Packets: []Packets{
			{Place: EndPrerouting, Packet: Good, Times: []float64{1100, 1000, 900, 1000, 1000, 1200, 1000, 1300}},
			{Place: OneRule, List: LikeVoIPBL, Shape: Unshaped, Packet: Good, Times: []float64{1600, 1600, 1600, 1600}},
			{Place: OneRule, List: LikeVoIPBL, Shape: Shaped, Packet: Good, Times: []float64{1100, 1200, 1300, 1200}},
		},
		Agents: []Agent{{Lines: Full, Scraped: true, Seconds: 60, CPU: 90}},
	}
	want := []float64{0.33, 0.33, 33.0 / 120, 0.221, math.NaN(), 25, math.NaN(), math.NaN(), math.NaN(), 225.0 / 625, math.NaN(), math.NaN(), 0.15, math.NaN()}
	got := r.goals()
	if len(got) != len(want) {
		t.Fatalf("%d goals", len(got))
	}
	for i, g := range got {
		if math.Abs(g.figure-want[i]) > 1e-9 || math.IsNaN(g.figure) != math.IsNaN(want[i]) {
			t.Errorf("%s: %v, not %v", g.what, g.figure, want[i])
		}
	}
	table := r.goalTable()
	for _, line := range []string{
		"| sync of 71,432 entries, cold / `ipset restore` presized | ≤ 0.33 | 0.33 | yes |",
		"| unchanged / `ipset restore` | ≤ 0.22 | 0.221 | **no** |",
		"| 1 % changed / `ipset restore` | ≤ 0.4 | – | not measured |",
		"| peak memory, 1 to 256 feeds, cold or not | ≤ 24 MB | 25.0 MB | **no** |",
	} {
		if !strings.Contains(table, line+"\n") {
			t.Errorf("%s\n is not in\n%s", line, table)
		}
	}
}

// TestFleet: a figure is that of its benchmark and unit, and a run without the fleet has no rows about it.
func TestFleet(t *testing.T) {
	r := Results{Fleet: []Step{
		{Name: "Hosts/1000", Own: map[string]float64{"ms-p99": 51, "MB-hub-most": 251}},
		{Name: "Hosts/5000", Own: map[string]float64{"ms-p99": 329}},
		{Name: "FleetBan", Own: map[string]float64{"s-p50": 0.16}},
	}}
	want := "| a ban on one of 1,000 hosts is known to 99 % | 51.0 ms |\n" +
		"| memory of a hub with 1,000 hosts | 251 MB |\n" +
		"| a ban on one of 5,000 hosts is known to 99 % | 329 ms |\n" +
		"| `voipbl ban` on one host is in the kernels of two others, median | 0.16 s |\n"
	if got := r.fleetTable(); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s", got)
	}
	table := r.goalTable()
	for _, line := range []string{
		"| a ban on one of 1,000 hosts is known to 99 % | ≤ 250 ms | 51.0 ms | yes |",
		"| memory of a hub with 1,000 hosts | ≤ 250 MB | 251 MB | **no** |",
		"| memory of a hub with 5,000 hosts | ≤ 700 MB | – | not measured |",
	} {
		if !strings.Contains(table, line+"\n") {
			t.Errorf("%s\n is not in\n%s", line, table)
		}
	}
	if got := (Results{}).fleetTable(); got != "" || (Results{}).fleetGoals() != nil {
		t.Errorf("without the fleet: %s", got)
	}
}

// TestSyncTable: times are ratios, a part is scaled up, and what is left out says why.
func TestSyncTable(t *testing.T) {
	s := Sync{Lines: 1000, Entries: 1000, Feeds: 1, Series: []Series{
		{Name: Restore, Samples: samples(10, 30, 20)},
		{Name: Script, Samples: samples(100), Part: 0.1},
		{Name: NFT, Left: "left out: too long"},
		{Name: Cold, Samples: samples(5, 5)},
	}}
	want := "| `ipset restore`, presized | 3 | 10.0 | 1.00 | 1.00 | 1.00 | 1.00 | 3.00 | – |\n" +
		"| `nft -f`, interval set | 0 | left out: too long |  |  |  |  |  |  |\n" +
		"| published script, one `ipset add` an entry (measured on 100 entries) | 1 | 1,000 | 100 | 50.0 | 100 | 50.0 | 10.0 | – |\n" +
		"| voipbl sync, cold | 2 | 5.00 | 0.50 | 0.25 | 0.50 | 0.25 | 0.50 | – |\n"
	if got := s.table(); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s", got)
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0.00", 0.333: "0.33", 9.99: "9.99", 12.34: "12.3", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := number(x); got != want {
			t.Errorf("%v: %q, not %q", x, got, want)
		}
	}
	if got := number(math.NaN()); got != "–" {
		t.Error(got)
	}
	values := []float64{4, 1, 3, 2}
	if best(values) != 1 || median(values) != 2.5 || quantile(values, 0.25) != 1.75 || spread(values) != 0.6 || !math.IsNaN(median(nil)) || !math.IsNaN(best(nil)) {
		t.Error(best(values), median(values), quantile(values, 0.25), spread(values))
	}
}

// TestTicks: marks are at 1, 2 and 5 times powers of ten, within the axis.
func TestTicks(t *testing.T) {
	var got []string
	for _, tick := range (ticks{}).Ticks(0.2, 20) {
		got = append(got, tick.Label)
	}
	if want := "0.2 0.5 1 2 5 10 20"; strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
	got = nil
	for _, tick := range (ticks{}).Ticks(1, 10_000) {
		got = append(got, tick.Label)
	}
	if want := "1   10   100   1,000   10,000"; strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
}
