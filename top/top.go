package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Report ranks the blocked sources that have sent the most packets, at one moment.
type Report struct {
	At       time.Time `json:"at"`
	Sets     []Set     `json:"sets"`
	Rows     []Row     `json:"rows"` // busiest first
	Warnings []string  `json:"warnings"`

	// Rated says that there was an earlier reading, so rates are known. Rate is packets per
	// second, in all sets.
	Rated bool    `json:"-"`
	Rate  float64 `json:"-"`
}

// Set is one kernel set and what its present entries have counted.
type Set struct {
	Name    string `json:"name"`
	Exists  bool   `json:"exists"`
	Note    string `json:"note,omitempty"` // why the set drops nothing
	Entries int    `json:"entries"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Row is one entry of a set that has counted packets.
type Row struct {
	Prefix  netip.Prefix `json:"prefix"`
	Set     string       `json:"set"`
	Packets uint64       `json:"packets"`
	Bytes   uint64       `json:"bytes"`
	Feeds   []string     `json:"feeds"` // feeds whose last good copy has it, or a part of it
	Rate    float64      `json:"-"`     // packets per second since the last reading
}

// Top reads the counters of the sets, as often as Read is called, and changes nothing.
// It is for one goroutine at a time.
type Top struct {
	cfg    config.Config
	kernel *ipsetsync.Kernel
	last   [2][]ipsetsync.Count // the counts of the last reading, by family, sorted
	lastAt time.Time
	feeds  feedCache
}

// Open connects to the kernel. Call Close when done.
func Open(cfg config.Config) (*Top, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	return &Top{cfg: cfg, kernel: kernel}, nil
}

// Close ends the connection.
func (t *Top) Close() { t.kernel.Close() }

// Read returns the n entries that have counted the most packets by now.
func (t *Top) Read(ctx context.Context, n int) (*Report, error) {
	now := time.Now()
	r := &Report{
		At: now.UTC().Truncate(time.Millisecond), Sets: []Set{}, Rows: []Row{}, Warnings: []string{},
		Rated: !t.lastAt.IsZero(),
	}
	elapsed := now.Sub(t.lastAt).Seconds()
	var all []ipsetsync.Count
	var counts [2][]ipsetsync.Count
	grown := uint64(0)
	banned := make(map[cidr.Prefix]bool)
	for _, f := range cidr.Families {
		lists, err := t.readSet(r, t.cfg.SetName(int(f)), f, blocklist.SetNote)
		if err != nil {
			return nil, err
		}
		bans, err := t.readSet(r, t.cfg.BanSetName(int(f)), f, blocklist.BanSetNote)
		if err != nil {
			return nil, err
		}
		for _, c := range bans {
			banned[c.Prefix] = true
		}
		counts[f] = joinCounts(lists, bans)
		for _, c := range counts[f] {
			grown += growth(t.last[f], c)
		}
		all = append(all, counts[f]...)
	}
	top := busiest(all, n)
	feeds, warnings, err := t.feeds.find(ctx, t.cfg, top, now)
	if err != nil {
		return nil, err
	}
	r.Warnings = append(r.Warnings, warnings...)
	for i, c := range top {
		f := c.Prefix.Family()
		row := Row{Prefix: c.Prefix.Netip(), Set: t.cfg.SetName(int(f)), Packets: c.Packets, Bytes: c.Bytes, Feeds: feeds[i]}
		if banned[c.Prefix] {
			row.Set, row.Feeds = t.cfg.BanSetName(int(f)), append(slices.Clone(row.Feeds), "bans")
		}
		if r.Rated {
			row.Rate = float64(growth(t.last[f], c)) / elapsed
		}
		r.Rows = append(r.Rows, row)
	}
	if r.Rated {
		r.Rate = float64(grown) / elapsed
	}
	t.last, t.lastAt = counts, now
	return r, nil
}

// readSet adds one set to the report and returns what its entries have counted. It returns
// nothing for a set that does not exist, or that is somebody else's and so counts no blocked
// sources. Entries of the lists are as the lists have them, whatever pieces the kernel has.
func (t *Top) readSet(r *Report, name string, f cidr.Family, note func(ipsetsync.Header, cidr.Family) string) ([]ipsetsync.Count, error) {
	set := Set{Name: name}
	live, err := t.kernel.Dump(set.Name)
	if errors.Is(err, ipsetsync.ErrNotFound) {
		live, err = &ipsetsync.Live{}, nil
	}
	if err != nil {
		return nil, err
	}
	set.Exists, set.Entries = live.Name != "", int(live.Elements)
	list := name == t.cfg.SetName(int(f))
	if list && live.Join() {
		set.Entries = len(live.Prefixes)
	}
	if set.Exists || list { // a set of bans is only made with the first ban
		set.Note = note(live.Header, f)
	}
	if set.Exists && !ipsetsync.IsOurs(live.Header, f) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is not counted: %s", set.Name, set.Note))
		set.Note, live.Counts = "", nil
	}
	// The kernel repeats an entry that it moved during the dump.
	counts := slices.CompactFunc(live.Counts, func(a, b ipsetsync.Count) bool { return a.Prefix == b.Prefix })
	for _, c := range counts {
		set.Packets += c.Packets
		set.Bytes += c.Bytes
	}
	r.Sets = append(r.Sets, set)
	return counts, nil
}

// joinCounts adds up the counts of two sets, sorted. If both have an entry, either may have
// dropped its packets.
func joinCounts(a, b []ipsetsync.Count) []ipsetsync.Count {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b ipsetsync.Count) int { return a.Prefix.Compare(b.Prefix) })
	var sum []ipsetsync.Count
	for _, c := range all {
		if n := len(sum); n > 0 && sum[n-1].Prefix == c.Prefix {
			sum[n-1].Packets += c.Packets
			sum[n-1].Bytes += c.Bytes
			continue
		}
		sum = append(sum, c)
	}
	return sum
}

// busiest returns the n entries with the most packets, busiest first. It sorts counts.
func busiest(counts []ipsetsync.Count, n int) []ipsetsync.Count {
	slices.SortFunc(counts, func(a, b ipsetsync.Count) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(b.Bytes, a.Bytes), a.Prefix.Compare(b.Prefix))
	})
	return counts[:min(n, len(counts))]
}

// growth is how many packets an entry has counted since last, which is sorted. A swap may have
// joined several entries into this one, which keeps their counts. A count that went down has
// started again from zero.
func growth(last []ipsetsync.Count, c ipsetsync.Count) uint64 {
	i, same := slices.BinarySearchFunc(last, c.Prefix, func(l ipsetsync.Count, p cidr.Prefix) int { return l.Prefix.Compare(p) })
	before := uint64(0)
	if same {
		before = last[i].Packets
	}
	for ; !same && i < len(last) && c.Prefix.Contains(last[i].Prefix); i++ {
		before += last[i].Packets
	}
	if before > c.Packets {
		return c.Packets
	}
	return c.Packets - before
}
