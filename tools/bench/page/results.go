// Package page turns what the benchmarks have measured into docs/benchmarks.md and its plots. It only
// computes: the same results give the same page.
package page

// Results are all that one run of the benchmarks has measured, and where.
type Results struct {
	Quick   bool   `json:"quick"` // few runs of short lists: a look, no figures to publish
	Date    string `json:"date"`
	Command string `json:"command"`
	// Published says that packets met published lists, not lists of their make-up.
	Published bool      `json:"published,omitempty"`
	Seconds   int       `json:"seconds"` // the whole run took
	Machine   Machine   `json:"machine"`
	Syncs     []Sync    `json:"syncs"`
	Start     []Series  `json:"start"`
	Sets      []Set     `json:"sets"`
	Packets   []Packets `json:"packets"`
	Agents    []Agent   `json:"agents"`
	Fleet     []Step    `json:"fleet,omitempty"` // with figures of their own only
	Steps     []Step    `json:"steps"`
}

// Machine is where the benchmarks ran. Tools are the versions of what voipbl is compared with.
type Machine struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	Memory float64  `json:"memory_gb"`
	Kernel string   `json:"kernel"`
	System string   `json:"system"`
	Voipbl string   `json:"voipbl"`
	Tools  []string `json:"tools"`
	// Load is how busy other programs kept the machine, as its load average before the run.
	Load float64 `json:"load"`
}

// A Sample is one run of a process with all that it starts.
type Sample struct {
	Wall float64 `json:"wall_ms"`
	CPU  float64 `json:"cpu_ms"` // user and system
	Peak float64 `json:"peak_mb,omitzero"`
}

// A Series are the runs of one contender, in the order in which they ran.
type Series struct {
	Name    string   `json:"name"`
	Samples []Sample `json:"samples,omitempty"`
	// Part is the share of the entries that was measured; the times are to be divided by it. 0 is all.
	Part float64 `json:"part,omitzero"`
	// Left says why this contender has no samples.
	Left string `json:"left,omitempty"`
}

// A Sync is one list, by all contenders.
type Sync struct {
	Lines   int      `json:"lines"`
	Entries int      `json:"entries"` // after aggregation
	Feeds   int      `json:"feeds"`
	Series  []Series `json:"series"`
}

// An Agent is a running agent, measured for some time.
type Agent struct {
	Lines    int     `json:"lines"`
	Scraped  bool    `json:"scraped"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_ms"`
	Resident float64 `json:"resident_mb"`
	Peak     float64 `json:"peak_mb"`
}

// A Step is one benchmark of the Go packages.
type Step struct {
	Package string             `json:"package"`
	Name    string             `json:"name"`
	Nanos   float64            `json:"ns"`
	Bytes   int64              `json:"bytes"`  // allocated, for each operation
	Allocs  int64              `json:"allocs"` // for each operation
	Own     map[string]float64 `json:"own,omitempty"`
}

// The contenders.
const (
	Restore        = "`ipset restore`, presized"
	RestoreDefault = "`ipset restore`, default hashsize"
	RestoreRules   = "`ipset restore` and both `iptables-restore`"
	Iprange        = "`iprange \\| ipset restore`"
	NFT            = "`nft -f`, interval set"
	Script         = "published script, one `ipset add` an entry"

	Cold      = "voipbl sync, cold"
	Unchanged = "voipbl sync, unchanged"
	Changed   = "voipbl sync, 1 % changed"
	WithBase  = ", base rules"
	Version   = "`voipbl version`"
	Nothing   = "`true`"
)

// The lines of lists. Full is the list that most figures to reach are about: some 71,600 entries, as
// many as VoIPBL's of April 2019. The longer ones are a million entries, and five.
const (
	Short       = 10_000
	Full        = 77_068
	Million     = 1_097_000
	FiveMillion = 5_600_000
)

// sync returns the list with so many lines in so many feeds.
func (r Results) sync(lines, feeds int) Sync {
	for _, s := range r.Syncs {
		if s.Lines == lines && s.Feeds == feeds {
			return s
		}
	}
	return Sync{}
}

// series returns the one with a name; without samples if there is none.
func series(all []Series, name string) Series {
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	return Series{Name: name}
}

func (s Sync) get(name string) Series { return series(s.Series, name) }

// Missing returns the parts that were not measured.
func (r Results) Missing() (parts []string) {
	for _, part := range []struct {
		name string
		n    int
	}{{"sync", len(r.Syncs)}, {"start", len(r.Start)}, {"packets", len(r.Packets)}, {"agent", len(r.Agents)}, {"fleet", len(r.Fleet)}, {"steps", len(r.Steps)}} {
		if part.n == 0 {
			parts = append(parts, part.name)
		}
	}
	return parts
}
