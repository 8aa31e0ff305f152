package worth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// Report is what each list is worth at one moment.
type Report struct {
	At    time.Time `json:"at"`
	Feeds []Feed    `json:"feeds"` // in the order of the configuration

	// NotCompared is why the lists are not compared with each other; then nothing is known but
	// their status.
	NotCompared string   `json:"not_compared,omitempty"`
	Warnings    []string `json:"warnings"`
}

// Feed is what one list is worth.
type Feed struct {
	Status   feeds.Status `json:"status"`          // as "voipbl status" says it
	Prefixes int          `json:"prefixes"`        // that its copy comes to, after aggregation
	Only     *Only        `json:"only,omitempty"`  // nil if the lists are not compared
	Shared   []Shared     `json:"shared"`          // the list that has most of it first
	Hits     *Hits        `json:"hits,omitempty"`  // nil if the sets cannot be read
	Exempt   []Exempt     `json:"exempt"`          // what it lists and is not blocked
	Wrong    int          `json:"exempt_prefixes"` // how many of its prefixes that touches
}

// Exempt is an exempt prefix that a list has, or a part of which it has.
type Exempt = exempt.Protected

// Only is what no other list has.
type Only struct {
	Prefixes  int    `json:"prefixes"`  // of which at least one address is in no other list
	Addresses uint64 `json:"addresses"` // of IPv4, that are in no other list
}

// Shared is what another list has of a list.
type Shared struct {
	Feed     string `json:"feed"`
	Prefixes int    `json:"prefixes"` // of this list that are in that one, whole or in part
}

// Hits is what a list has stopped. An entry counts for each list that has a part of it.
type Hits struct {
	Since       time.Time `json:"since,omitzero"` // of the packets; zero if no sync has counted yet
	Packets     uint64    `json:"packets"`
	OnlyPackets uint64    `json:"only_packets"` // of entries of which no other list had a part
	Entries     int       `json:"entries"`      // in the sets now that have counted anything
	OnlyEntries int       `json:"only_entries"` // of these, entries of which no other list has a part
}

// memoryShare is the part of this host's memory that the lists may take while they are compared:
// one in memoryShare.
const memoryShare = 8

// bytesPerPrefix is what a prefix takes in memory.
const bytesPerPrefix = 24

// Read finds out what each list is worth. status is the host's; cfg is the configuration in force.
func Read(ctx context.Context, cfg config.Config, status *blocklist.Status) (*Report, error) {
	total, err := memory.Total(os.DirFS("/"))
	if err != nil {
		total = 1 << 30
	}
	return read(ctx, cfg, status, int(total/memoryShare/bytesPerPrefix))
}

// read is Read; the lists may have most prefixes together.
func read(ctx context.Context, cfg config.Config, status *blocklist.Status, most int) (*Report, error) {
	r := &Report{At: time.Now().UTC().Truncate(time.Second), Feeds: []Feed{}, Warnings: []string{}}
	for _, f := range status.Feeds {
		r.Feeds = append(r.Feeds, Feed{Status: f, Shared: []Shared{}, Exempt: []Exempt{}})
	}
	store, err := state.FindStore(cfg)
	if err != nil {
		return nil, err
	}
	lists := make([]cidr.Sets, len(r.Feeds))
	if store != nil {
		defer store.Close()
		sum := 0
		for i := range r.Feeds {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if lists[i], err = feeds.OnDisk(store, r.Feeds[i].Status.Name, cfg.Limits); err != nil {
				r.Warnings = append(r.Warnings, problem.Line(err))
			}
			r.Feeds[i].Prefixes = lists[i].Len()
			if sum += lists[i].Len(); sum > most {
				r.NotCompared = fmt.Sprintf("the lists have more than %s prefixes together, too many to be compared in the memory of this host", humanize.Comma(int64(most)))
				lists[i] = cidr.Sets{}
				break
			}
		}
	}
	if r.NotCompared != "" {
		return r, nil
	}
	protected, err := exempt.GatherLast(ctx, cfg, store)
	if err == nil {
		registered, _ := known.Read(cfg) // status reports what cannot be read
		protected, err = protected.FromLists(registered)
	}
	if err != nil {
		return nil, err
	}
	r.compare(lists)
	r.exempt(lists, protected)
	if store != nil {
		r.hits(cfg, status, store)
	}
	return r, nil
}

// hits notes what the lists have stopped.
func (r *Report) hits(cfg config.Config, status *blocklist.Status, store *fetch.Store) {
	unknown := func(err error) {
		r.Warnings = append(r.Warnings, "what the lists have stopped is not known: "+problem.Line(err))
	}
	counts, err := countsOf(status)
	if err != nil {
		unknown(err)
		return
	}
	book, err := hits.Read(store)
	if err != nil {
		unknown(err)
	}
	var names []string
	for _, f := range r.Feeds {
		names = append(names, f.Status.Name)
	}
	tallies, _ := hits.TallyOf(names, counts, func(name string, each func(cidr.Prefix)) error {
		return feeds.Visit(store, name, cfg.Limits, each) // a damaged copy was named before
	})
	of := hits.SetsOf(state.LastRecord(cfg))
	for i := range r.Feeds {
		t := tallies[r.Feeds[i].Status.Name]
		total, _ := book.Now(r.Feeds[i].Status.Name, of, t)
		r.Feeds[i].Hits = &Hits{total.Since, total.Packets, total.Only, t.Entries, t.OnlyEntries}
	}
}

// compare notes what only one list has, and what it shares with which.
func (r *Report) compare(lists []cidr.Sets) {
	c := cidr.Compare(lists)
	for i := range r.Feeds {
		f := &r.Feeds[i]
		f.Only = &Only{c.Own[i].Prefixes, c.Own[i].Addresses}
		for j, n := range c.Shared[i] {
			if n > 0 {
				f.Shared = append(f.Shared, Shared{r.Feeds[j].Status.Name, n})
			}
		}
		slices.SortStableFunc(f.Shared, func(a, b Shared) int { return cmp.Compare(b.Prefixes, a.Prefixes) })
	}
}

// exempt notes what the lists have of exempt prefixes.
func (r *Report) exempt(lists []cidr.Sets, protected *exempt.Protection) {
	for i := range r.Feeds {
		f := &r.Feeds[i]
		f.Exempt = append(f.Exempt, protected.Overlapping(lists[i])...)
		if len(f.Exempt) == 0 {
			continue
		}
		for _, fam := range cidr.Families {
			for p := range lists[i][fam].All() {
				if protected.Sets[fam].Overlaps(p) {
					f.Wrong++
				}
			}
		}
	}
}

// countsOf returns what the entries in the sets of the lists have counted, as the kernel has them.
func countsOf(status *blocklist.Status) ([]ipsetsync.Count, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	var all []ipsetsync.Count
	for _, f := range cidr.Families {
		live, err := kernel.DumpUnsorted(status.Sets[f].Name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if ipsetsync.IsOurs(live.Header, f) {
			all = append(all, live.Counts...)
		}
	}
	return hits.Sorted(all), nil
}
