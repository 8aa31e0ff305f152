package agent

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/state"
)

// fetched handles one result of the fetcher.
func (d *daemon) fetched(f fetched) {
	if f.feed == "" {
		d.warn("names", f.problems)
		if f.changed {
			d.applySoon("addresses of names", settle)
		}
		return
	}
	d.logFetch(f)
	d.lists.fetched()
	d.state.change(func(s *state.AgentStatus) {
		s.FetchSeconds = with(s.FetchSeconds, f.feed, f.took.Seconds())
		if f.report.State == feeds.Fresh || f.report.State == feeds.Unchanged {
			s.Unkept = with(s.Unkept, f.feed, f.report.Unkept)
		}
	})
	if f.report.State == feeds.Fresh {
		d.applySoon("feed "+f.feed, settle)
	}
}

// with returns a copy of a map with one value set.
func with[V any](m map[string]V, key string, value V) map[string]V {
	all := map[string]V{key: value}
	for k, v := range m {
		if k != key {
			all[k] = v
		}
	}
	return all
}

// hostChanged handles changed addresses of this host: it plans an apply, which exempts them, and
// lets failed feeds be fetched again.
func (d *daemon) hostChanged(ctx context.Context, _ time.Time) {
	addresses := host.Addresses()
	if addresses == d.host {
		return
	}
	d.host = addresses
	d.applySoon("this host's addresses", settle)
	d.reports.networkChanged()
	select {
	case d.fetcher.network <- struct{}{}:
	case <-ctx.Done():
	}
}

func (d *daemon) fileChanged(event fsnotify.Event) {
	if event.Op == fsnotify.Chmod {
		return // such as a new access time; the schedule finds the rest
	}
	kind := d.files.kind(event.Name)
	switch kind {
	case fileNone:
		return
	case fileConfig:
		now := time.Now()
		if !d.agenda.editing() {
			d.configAt = now
		}
		d.agenda.set(reloadTask, earlier(now.Add(configSettle), d.configAt.Add(2*configSettle)))
		if d.files.aboveFeed(event.Name) {
			d.applySoon("files of a feed", max(settle, filesPace*d.took))
		}
	case fileBans:
		d.agenda.sooner(bansTask, time.Now().Add(bansSettle))
	case fileReports:
		d.reports.poke()
	case fileFeed:
		d.applySoon("files of a feed", max(settle, filesPace*d.took))
	}
	d.files.refresh()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

const (
	// configSettle is how long an editor may take between two writes of the configuration; all
	// of them may take twice as long.
	configSettle = 2 * time.Second

	// bansSettle is how long a process that has written a ban down may take to change the
	// kernel.
	bansSettle = 2 * time.Second
)
