package blocklist

import (
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/ipsetsync"
)

// lookEarly begins to look who talks with this host, unless that has begun, as soon as the sets seem to
// change, because a list has or they are missing: the kernel takes up to 10 ms to go through its table
// of flows, if it is a large one.
func (e *Enforcement) lookEarly(begun *flows.Early, missing bool) *flows.Early {
	fresh := func(f *feeds.Feed) bool { return f != nil && f.Report.State == feeds.Fresh }
	if begun == nil && (missing || slices.ContainsFunc(e.feeds, fresh)) {
		return impact.Begin(e.Cfg)
	}
	return begun
}

// noteImpact notes whom the plans would cut off. It comes before they are carried out: a dry run tells
// the same.
func (r *SyncReport) noteImpact(cfg config.Config, plans []*ipsetsync.Plan, lives [2]*ipsetsync.Live, early *flows.Early) {
	var err error
	if r.Impact, err = impact.Of(cfg, plans, lives, early); err != nil {
		r.warn("%v", err)
	}
}

// findLines finds which lines list those who are cut off. It reads the copies of the lists again, since
// only addresses are kept of them, but only if there is somebody. What cannot be read has no such line:
// the feeds' own reports say what is wrong.
func (r *SyncReport) findLines(cfg config.Config, store *fetch.Store) {
	if !r.Impact.Any() || store == nil {
		return
	}
	sought, policy := r.Impact.Set(), feeds.PolicyOf(cfg.Limits)
	for _, f := range cfg.Feeds {
		eachLine(store, f.Name, func(part fetch.Part, sc *cidr.Scanner) {
			named := func(p cidr.Prefix) bool { return sought.Overlaps(p) }
			if !slices.ContainsFunc(sc.Prefixes(), named) || policy.TooWide(sc.Prefixes()) {
				return
			}
			for _, p := range sc.Prefixes() {
				r.Impact.Found(p, impact.Line{Feed: f.Name, File: part.Name, Line: sc.Line()})
			}
		})
	}
}

// eachLine calls see for each line of a feed's last good copy.
func eachLine(store *fetch.Store, feed string, see func(part fetch.Part, sc *cidr.Scanner)) error {
	c, err := store.Open(feed)
	if err != nil {
		return err
	}
	defer c.Close()
	for part, in := range c.Parts() {
		sc := cidr.NewScanner(in)
		for sc.Scan() {
			see(part, sc)
		}
		if err := sc.Err(); err != nil {
			return err
		}
	}
	return c.Verify()
}
