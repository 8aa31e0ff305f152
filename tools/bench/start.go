package main

import (
	"path/filepath"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// starts measures how long the program needs to start, beside one that does nothing.
func (b *bench) starts(r *page.Results) error {
	rounds := 100
	if b.quick {
		rounds = 20
	}
	r.Start = []page.Series{{Name: page.Version}, {Name: page.Nothing}}
	for range rounds {
		for i, words := range [][]string{{b.program, "version"}, {"true"}} {
			s, err := measure(b.ctx, filepath.Join(b.work, "out"), words[0], words[1:]...)
			if err != nil {
				return err
			}
			r.Start[i].Samples = append(r.Start[i].Samples, s)
		}
	}
	return nil
}
