package top

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

const (
	// feedCacheSize limits the cache's memory on a host that is attacked from everywhere, and
	// feedCacheAge its age, since syncs change the lists.
	feedCacheSize = 4096
	feedCacheAge  = time.Minute
)

// feedCache remembers which feeds list an entry, since finding out means reading all copies.
type feedCache struct {
	feeds map[cidr.Prefix][]string
	begun time.Time
}

// find returns, for each entry, the feeds that list it. It does not remember what it found
// while a copy could not be read.
func (c *feedCache) find(ctx context.Context, cfg config.Config, entries []ipsetsync.Count, now time.Time) ([][]string, []string, error) {
	if now.Sub(c.begun) > feedCacheAge || len(c.feeds) > feedCacheSize {
		c.feeds, c.begun = make(map[cidr.Prefix][]string), now
	}
	feeds := make([][]string, len(entries))
	var unknown []cidr.Prefix
	for i, e := range entries {
		known := false
		if feeds[i], known = c.feeds[e.Prefix]; !known {
			unknown = append(unknown, e.Prefix)
		}
	}
	if len(unknown) == 0 {
		return feeds, nil, nil
	}
	found, warnings, err := findFeeds(ctx, cfg, unknown)
	if err != nil {
		return nil, nil, err
	}
	for i, e := range entries {
		if feeds[i] == nil {
			feeds[i], found = found[0], found[1:] // in the order asked for
		}
		if len(warnings) == 0 {
			c.feeds[e.Prefix] = feeds[i]
		}
	}
	return feeds, warnings, nil
}

// findFeeds returns, for each prefix, the feeds whose last good copies list any part of it: an
// entry of a set often comes from several lines. It reads each copy once.
func findFeeds(ctx context.Context, cfg config.Config, prefixes []cidr.Prefix) (lists [][]string, warnings []string, err error) {
	lists = make([][]string, len(prefixes))
	for i := range lists {
		lists[i] = []string{}
	}
	store, err := state.FindStore(cfg)
	if store == nil || err != nil {
		return lists, nil, err
	}
	defer store.Close()
	for _, f := range cfg.Feeds {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		listed, err := listedBy(store, f.Name, prefixes, feeds.PolicyOf(cfg.Limits))
		if err != nil && !problem.IsAbsent(err) {
			warnings = append(warnings, err.Error())
		}
		for i, is := range listed {
			if is {
				lists[i] = append(lists[i], f.Name)
			}
		}
	}
	return lists, warnings, nil
}

// listedBy reports which prefixes a feed's copy lists. Nothing counts in a damaged copy, nor do
// lines that are not in force.
func listedBy(store *fetch.Store, name string, prefixes []cidr.Prefix, policy cidr.Policy) ([]bool, error) {
	c, err := store.Open(name)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	wanted := cidr.SetOf(prefixes...) // to skip all other lines quickly
	listed := make([]bool, len(prefixes))
	for _, in := range c.Parts() {
		sc := cidr.NewScanner(in)
		for sc.Scan() {
			for _, p := range sc.Prefixes() {
				if !wanted.Overlaps(p) || policy.TooWide(sc.Prefixes()) {
					continue
				}
				for i, q := range prefixes {
					listed[i] = listed[i] || p.Overlaps(q)
				}
			}
		}
		if err := sc.Err(); err != nil {
			return nil, err
		}
	}
	if err := c.Verify(); err != nil {
		return nil, err
	}
	return listed, nil
}
