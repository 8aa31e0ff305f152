package page

import (
	"math"
	"strconv"
)

// A goal is a figure to reach. No test has it as a limit, since it depends on the machine.
type goal struct {
	what   string
	most   float64
	unit   string
	figure float64 // NaN if it was not measured
}

// goals returns the figures to reach, in the order of the page.
func (r Results) goals() []goal {
	full, one, five := r.sync(Full, 1), r.sync(Million, 1), r.sync(FiveMillion, 1)
	wall := func(s Sync, name, of string) float64 { return best(s.get(name).wall()) / best(s.get(of).wall()) }
	cpu := func(s Sync, name, of string) float64 { return best(s.get(name).cpu()) / best(s.get(of).cpu()) }
	size := "sync of " + thousands(full.Entries) + " entries"
	return append([]goal{
		{what: size + ", cold / `ipset restore` presized", most: 0.33, figure: wall(full, Cold, Restore)},
		{what: "the same, CPU", most: 0.36, figure: cpu(full, Cold, Restore)},
		{what: "the same / restore and both iptables-restore", most: 0.28, figure: wall(full, Cold, RestoreRules)},
		{what: "unchanged / `ipset restore`", most: 0.22, figure: wall(full, Unchanged, Restore)},
		{what: "1 % changed / `ipset restore`", most: 0.40, figure: wall(full, Changed, Restore)},
		{what: "peak memory, 1 to 256 feeds, cold or not", most: 24, unit: "MB", figure: r.peakOfFeeds()},
		{what: "1 M entries, cold / `ipset restore` presized", most: 0.30, figure: wall(one, Cold, Restore)},
		{what: "1 M entries, cold, peak memory", most: 80, unit: "MB", figure: one.get(Cold).peak()},
		{what: "5 M entries, cold / 1 M entries, cold", most: 6, figure: best(five.get(Cold).wall()) / best(one.get(Cold).wall())},
		{what: "look-up of a good packet, shaped / unshaped, like VoIPBL", most: 0.40, figure: r.lookup(LikeVoIPBL, Shaped) / r.lookup(LikeVoIPBL, Unshaped)},
		{what: "look-up of a good packet, shaped / unshaped, like firehol_level1", most: 0.45, figure: r.lookup(LikeFirehol, Shaped) / r.lookup(LikeFirehol, Unshaped)},
		{what: "start of the program (`voipbl version`)", most: 5, unit: "ms", figure: best(series(r.Start, Version).wall())},
		{what: "agent, scraped every 15 s, " + thousands(full.Entries) + " entries, share of a core", most: 0.15, unit: "%", figure: r.agentCPU(Full)},
		{what: "agent, scraped every 15 s, 1 M entries, share of a core", most: 0.15, unit: "%", figure: r.agentCPU(Million)},
	}, r.fleetGoals()...)
}

// peakOfFeeds is the peak of all syncs of the full list, in however many feeds. NaN without any.
func (r Results) peakOfFeeds() float64 {
	peak := math.NaN()
	for _, s := range r.Syncs {
		if s.Lines != Full {
			continue
		}
		for _, name := range []string{Cold, Unchanged, Changed} {
			peak = highest(peak, s.get(name).peak())
		}
	}
	return peak
}

// table returns the figures to reach, and which are reached.
func (r Results) goalTable() string {
	t := table{head: []string{"what", "to reach", "here", "reached"}}
	for _, g := range r.goals() {
		reached := "**no**"
		switch {
		case math.IsNaN(g.figure):
			reached = "not measured"
		case g.figure <= g.most:
			reached = "yes"
		}
		t.add(g.what, unit("≤ "+short(g.most), g.unit), unit(g.here(), g.unit), reached)
	}
	return t.String()
}

// here is the figure, with as many decimals as it takes to be seen above the most.
func (g goal) here() string {
	x := number(g.figure)
	if g.figure <= g.most || x != number(g.most) {
		return x
	}
	for decimals := 3; ; decimals++ {
		x = strconv.FormatFloat(g.figure, 'f', decimals, 64)
		if v, err := strconv.ParseFloat(x, 64); err != nil || v > g.most || decimals > 9 {
			return x
		}
	}
}

// unit adds a unit, if there is one.
func unit(x, unit string) string {
	if unit == "" || x == "–" {
		return x
	}
	return x + " " + unit
}
