package page

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/plotter"
)

// Plots returns the plots of the page, by the name of their files. One without values is left out.
func (r Results) Plots() (map[string][]byte, error) {
	all := map[string][]byte{}
	for name, plot := range map[string]func() ([]byte, error){
		"sync.svg": r.syncPlot, "time.svg": r.timePlot, "memory.svg": r.memoryPlot, "packets.svg": r.packetPlot,
	} {
		text, err := plot()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if text != nil {
			all[name] = text
		}
	}
	return all, nil
}

// syncPlot has the ratios of the full list.
func (r Results) syncPlot() ([]byte, error) {
	s := r.sync(Full, 1)
	of := s.get(Restore)
	var rows []string
	for _, name := range contenders() {
		if len(s.get(name).Samples) > 0 {
			rows = append(rows, name)
		}
	}
	if len(of.Samples) == 0 {
		return nil, nil
	}
	wall, cpu := line{name: "wall"}, line{name: "CPU"}
	for i, name := range rows {
		y := float64(len(rows) - 1 - i)
		wall.at = append(wall.at, plotter.XY{X: best(s.get(name).wall()) / best(of.wall()), Y: y})
		cpu.at = append(cpu.at, plotter.XY{X: best(s.get(name).cpu()) / best(of.cpu()), Y: y})
	}
	return dots("A list of "+thousands(s.Entries)+" entries", "× ipset restore, best of all runs", rows, []line{wall, cpu})
}

// bySize returns a figure of some contenders by the size of the list in one feed.
func (r Results) bySize(figure func(Series) float64, names ...string) (all []line) {
	for _, name := range names {
		l := line{name: name}
		for _, s := range r.Syncs {
			if y := figure(s.get(name)); s.Feeds == 1 && !math.IsNaN(y) {
				l.at = append(l.at, plotter.XY{X: float64(s.Entries), Y: y})
			}
		}
		if l.at != nil {
			all = append(all, l)
		}
	}
	return all
}

func (r Results) timePlot() ([]byte, error) {
	all := r.bySize(func(s Series) float64 { return best(s.wall()) }, Cold, Unchanged, Changed, Restore, RestoreDefault, Iprange, NFT, Script)
	if all == nil {
		return nil, nil
	}
	return lines("Time of a list in one feed", "entries", "ms, best of all runs", all)
}

func (r Results) memoryPlot() ([]byte, error) {
	all := r.bySize(Series.peak, Cold, Unchanged, Changed, Restore, RestoreDefault, Iprange, NFT)
	if all == nil {
		return nil, nil
	}
	return lines("Peak memory of the largest process", "entries", "MB", all)
}

// packetPlot has what a look-up costs.
func (r Results) packetPlot() ([]byte, error) {
	var rows []string
	var values plotter.Values
	for _, s := range r.Sets {
		if ns := r.lookup(s.List, s.Shape); !math.IsNaN(ns) {
			rows = append(rows, fmt.Sprintf("%s, %s, %d lengths", s.List, s.Shape, s.Lengths))
			values = append(values, ns)
		}
	}
	if rows == nil {
		return nil, nil
	}
	return bars("Looking a good packet up in the set", "ns", rows, values)
}
