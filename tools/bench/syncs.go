package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// A size is a list, how it is cut into feeds, and how much time it gets.
type size struct {
	lines, feeds int
	rounds       int
	most         time.Duration // after which a contender gets no further round
	left         map[string]string
	few          bool // only voipbl and what it is divided by
}

// sizes returns what is measured. Five million entries as text for nft need memory and minutes; a
// process an entry needs an hour at any length beyond the first.
func (b *bench) sizes() []size {
	const tooLong = "left out: takes too long"
	long := map[string]string{page.NFT: tooLong, page.Script: tooLong, page.Cold + page.WithBase: "left out: rules do not depend on the list"}
	if b.quick {
		return []size{
			{lines: page.Short, feeds: 1, rounds: 3, most: 5 * time.Second},
			{lines: page.Full, feeds: 1, rounds: 5, most: 15 * time.Second},
			{lines: page.Full, feeds: 16, rounds: 2, most: 5 * time.Second, few: true},
			{lines: page.Full, feeds: 256, rounds: 2, most: 5 * time.Second, few: true},
		}
	}
	return []size{
		{lines: page.Short, feeds: 1, rounds: 20, most: 20 * time.Second},
		{lines: page.Full, feeds: 1, rounds: 20, most: 45 * time.Second},
		{lines: page.Full, feeds: 16, rounds: 10, most: 30 * time.Second, few: true},
		{lines: page.Full, feeds: 256, rounds: 10, most: 30 * time.Second, few: true},
		{lines: page.Million, feeds: 1, rounds: 7, most: time.Minute, left: map[string]string{page.Script: tooLong}},
		{lines: page.FiveMillion, feeds: 1, rounds: 3, most: 90 * time.Second, left: long},
	}
}

// syncs measures all sizes.
func (b *bench) syncs(r *page.Results) error {
	for _, s := range b.sizes() {
		dir, err := os.MkdirTemp(b.work, "sync-")
		if err != nil {
			return err
		}
		result, err := b.contest(dir, s)
		if err != nil {
			return err
		}
		r.Syncs = append(r.Syncs, result)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// A contender takes part in each round, and notes one sample or several, by name.
type contender struct {
	names []string
	round func(note func(name string, s page.Sample)) error
}

// contest runs all contenders of one size, in turns.
func (b *bench) contest(dir string, s size) (page.Sync, error) {
	g, err := b.newGround(dir, s)
	if err != nil {
		return page.Sync{}, err
	}
	say("%d lines, %d entries, %d feeds", s.lines, g.entries, s.feeds)
	contenders := []contender{g.restorers()}
	if !s.few {
		contenders = append(contenders, g.restoreDefault(), g.iprange(), g.nft(), g.script())
	}
	contenders = append(contenders, g.voipbl(""))
	if !s.few {
		contenders = append(contenders, g.voipbl(page.WithBase))
	}
	result := page.Sync{Lines: s.lines, Entries: g.entries, Feeds: s.feeds}
	at := map[string]int{}
	for _, c := range contenders {
		for _, name := range c.names {
			at[name] = len(result.Series)
			result.Series = append(result.Series, page.Series{Name: name, Left: s.left[name], Part: g.part(name)})
		}
	}
	spent := make([]time.Duration, len(contenders))
	for range s.rounds {
		for i, c := range contenders {
			if s.left[c.names[0]] != "" || spent[i] > s.most {
				continue
			}
			start := time.Now()
			err := c.round(func(name string, sample page.Sample) {
				series := &result.Series[at[name]]
				series.Samples = append(series.Samples, sample)
			})
			if err != nil {
				return page.Sync{}, fmt.Errorf("%s: %w", c.names[0], err)
			}
			settle(b.ctx, min(time.Since(start), 5*time.Second))
			spent[i] += time.Since(start)
		}
	}
	return result, nil
}

// clear removes what voipbl keeps between syncs.
func (g *ground) clear() error {
	for _, dir := range []string{"state", "run"} {
		if err := os.RemoveAll(filepath.Join(g.dir, dir)); err != nil {
			return err
		}
	}
	return nil
}
