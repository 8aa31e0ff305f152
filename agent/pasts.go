package agent

import (
	"os"
	"path/filepath"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/state"
)

// A past is what is known of a feed's earlier attempts, with what its files looked like when
// they were read. The fetcher asks every half minute, for hundreds of feeds perhaps, since "voipbl
// sync" may have run meanwhile.
type past struct {
	url    config.URL
	files  [2]look
	a      attempts
	opened bool // the state folder could be read
}

// look is what a file looks like; zero if there is none.
type look struct {
	size    int64
	changed time.Time
}

// past returns what is known of a feed when the agent starts or reloads, and before each fetch.
func (d *daemon) past(f config.Feed) attempts {
	cfg := *d.shared.Load()
	now := past{url: f.URL}
	for i, file := range []string{fetch.CopyName(f.Name), fetch.StateName(f.Name)} {
		if info, err := os.Lstat(filepath.Join(cfg.StateDir, file)); err == nil {
			now.files[i] = look{info.Size(), info.ModTime()}
		}
	}
	if known := d.pasts[f.Name]; known.opened && known.url == now.url && known.files == now.files {
		return known.a
	}
	store, err := state.FindStore(cfg)
	if err != nil || store == nil {
		return attempts{}
	}
	defer store.Close()
	now.a, now.opened = pastAttempts(store, f), true
	if d.pasts == nil {
		d.pasts = make(map[string]past)
	}
	d.pasts[f.Name] = now
	return now.a
}
