package agent

import (
	"path/filepath"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/state"
)

// A past is what is known of a feed's earlier attempts, with what its files looked like when
// they were read. The fetcher asks every half minute, for hundreds of feeds perhaps, since "voipbl
// sync" may have run meanwhile.
type past struct {
	url   config.URL
	files [2]fetch.FileState
	a     attempts
}

// past returns what is known of a feed when the agent starts or reloads, and before each fetch.
func (d *daemon) past(f config.Feed) attempts {
	cfg := *d.shared.Load()
	now := past{url: f.URL}
	seen := true
	for i, file := range []string{fetch.CopyName(f.Name), fetch.StateName(f.Name)} {
		var err error
		now.files[i], err = fetch.StateOfFile(filepath.Join(cfg.StateDir, file))
		seen = seen && err == nil
	}
	if known, ok := d.pasts[f.Name]; ok && seen && known.url == now.url && known.files == now.files {
		return known.a
	}
	store, err := state.FindStore(cfg)
	if err != nil || store == nil {
		return attempts{}
	}
	defer store.Close()
	var lasts bool
	now.a, lasts = pastAttempts(store, f)
	if d.pasts == nil {
		d.pasts = make(map[string]past)
	}
	delete(d.pasts, f.Name)
	if seen && lasts {
		d.pasts[f.Name] = now
	}
	return now.a
}
