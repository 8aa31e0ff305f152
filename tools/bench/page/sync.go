package page

import (
	"fmt"
	"math"
)

// contenders are in the order of tables.
func contenders() []string {
	return []string{
		Restore, RestoreDefault, RestoreRules, Iprange, NFT, Script,
		Cold, Unchanged, Changed, Cold + WithBase, Unchanged + WithBase, Changed + WithBase,
	}
}

// table compares all contenders for one list with "ipset restore", and with what a user has to run
// for the same state: with the rules.
func (s Sync) table() string {
	t := table{head: []string{"", "runs", "ms", "wall, best", "median", "CPU, best", "median", "peak, MB", "wall / with rules"}}
	of, rules := s.get(Restore), s.get(RestoreRules)
	for _, name := range contenders() {
		c := s.get(name)
		if len(c.Samples) == 0 {
			if c.Left != "" {
				t.add(name, "0", c.Left, "", "", "", "", "", "")
			}
			continue
		}
		if c.Part != 0 {
			name += fmt.Sprintf(" (measured on %s entries)", thousands(int(math.Round(c.Part*float64(s.Entries)))))
		}
		t.add(name, fmt.Sprint(len(c.Samples)), number(best(c.wall())),
			ratio(best(c.wall()), best(of.wall())), ratio(median(c.wall()), median(of.wall())),
			ratio(best(c.cpu()), best(of.cpu())), ratio(median(c.cpu()), median(of.cpu())),
			number(c.peak()), ratio(best(c.wall()), best(rules.wall())))
	}
	return t.String()
}

// title says which list it is.
func (s Sync) title() string {
	feeds := "one feed"
	if s.Feeds > 1 {
		feeds = fmt.Sprintf("%d feeds", s.Feeds)
	}
	return fmt.Sprintf("%s lines (%s entries), %s", thousands(s.Lines), thousands(s.Entries), feeds)
}

// feedTable compares the same list in one feed and in many.
func (r Results) feedTable() string {
	t := table{head: []string{"feeds", "cold, wall", "CPU", "unchanged, wall", "CPU", "1 % changed, wall", "CPU", "peak, MB"}}
	one := r.sync(Full, 1)
	for _, s := range r.Syncs {
		if s.Lines != Full {
			continue
		}
		row := []string{fmt.Sprint(s.Feeds)}
		peak := math.NaN()
		for _, name := range []string{Cold, Unchanged, Changed} {
			row = append(row, ratio(best(s.get(name).wall()), best(one.get(Restore).wall())), ratio(best(s.get(name).cpu()), best(one.get(Restore).cpu())))
			peak = highest(peak, s.get(name).peak())
		}
		t.add(append(row, number(peak))...)
	}
	return t.String()
}

// startTable is about the start of the program.
func (r Results) startTable() string {
	t := table{head: []string{"", "runs", "wall, best, ms", "median", "CPU, best, ms"}}
	for _, s := range r.Start {
		t.add(s.Name, fmt.Sprint(len(s.Samples)), number(best(s.wall())), number(median(s.wall())), number(best(s.cpu())))
	}
	return t.String()
}
