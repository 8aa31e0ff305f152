package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/worth"
)

// shownName is how much of a feed's name is shown.
const shownName = 20

// Feeds shows what each feed is worth.
func Feeds(on *screen.Screen, s *blocklist.Status, r *worth.Report, now time.Time) {
	printFeeds(on, s, now)
	if r.NotCompared != "" {
		on.Folded(r.NotCompared)
		return
	}
	fmt.Fprintln(on.Out)
	has := screen.Table{Right: []int{1, 2, 3, 4}}
	has.Row("feed", "prefixes", "only here", "IPv4 addresses", "exempt", "shared most with")
	for _, f := range r.Feeds {
		most := "-"
		if len(f.Shared) > 0 {
			most = screen.Shorten(f.Shared[0].Feed, shownName) + ": " + screen.Count(f.Shared[0].Prefixes)
		}
		has.Row(screen.Shorten(f.Status.Name, shownName), screen.Count(f.Prefixes), screen.Count(f.Only.Prefixes), screen.Count(f.Only.Addresses), screen.Count(f.Wrong), most)
	}
	has.Print(on.Out)
	printHits(on, r)
	for _, f := range r.Feeds {
		for _, e := range f.Exempt[:min(len(f.Exempt), shownExempt)] {
			on.Folded(fmt.Sprintf("%s has %s, which is exempt: %s", f.Status.Name, screen.Prefix(e.Prefix), strings.Join(e.Reasons, ", ")))
		}
		if more := len(f.Exempt) - shownExempt; more > 0 {
			on.Folded(fmt.Sprintf("%s has %s more", f.Status.Name, screen.Plural(more, "exempt prefix", "exempt prefixes")))
		}
	}
}

// printHits shows what the lists have stopped.
func printHits(on *screen.Screen, r *worth.Report) {
	hits := screen.Table{Right: []int{1, 2, 4, 5}}
	hits.Row("feed", "packets", "only here", "since", "entries hit", "only here")
	known := false
	for _, f := range r.Feeds {
		if h := f.Hits; h != nil {
			known = true
			since := "-"
			if !h.Since.IsZero() {
				since = h.Since.Local().Format(time.DateTime)
			}
			hits.Row(screen.Shorten(f.Status.Name, shownName), screen.Count(h.Packets), screen.Count(h.OnlyPackets), since, screen.Count(h.Entries), screen.Count(h.OnlyEntries))
		}
	}
	if known {
		fmt.Fprintln(on.Out)
		hits.Print(on.Out)
	}
}
