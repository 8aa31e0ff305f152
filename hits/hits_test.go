package hits

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
)

// lists are prefixes by the names of lists.
type lists map[string][]cidr.Prefix

func (l lists) names() []string { return slices.Sorted(maps.Keys(l)) }

func (l lists) visit(name string, each func(cidr.Prefix)) error {
	for _, p := range l[name] {
		each(p)
	}
	return nil
}

// owners returns the lists that have a part of p.
func (l lists) owners(p cidr.Prefix) (owners []string) {
	for _, name := range l.names() {
		if slices.ContainsFunc(l[name], p.Overlaps) {
			owners = append(owners, name)
		}
	}
	return owners
}

// sets returns the entries that lists come to.
func (l lists) sets() cidr.Sets {
	return cidr.SetOf(slices.Concat(slices.Collect(maps.Values(l))...)...)
}

func (l lists) set() cidr.Set { return l.sets()[cidr.IPv4] }

func randomLists(rng *rand.Rand) lists {
	l := make(lists)
	for _, name := range []string{"a", "b", "c", "d"} {
		for range rng.IntN(5) {
			bits := 25 + rng.IntN(8)
			if rng.IntN(6) == 0 {
				bits = 12 + rng.IntN(13) // wider and narrower than near tells apart
			}
			l[name] = append(l[name], cidr.MustParsePrefix(fmt.Sprintf("5.%d.5.%d/%d", rng.IntN(3), rng.IntN(256), bits)),
				cidr.MustParsePrefix(fmt.Sprintf("2a00:%x:%x::/%d", rng.IntN(3), rng.IntN(3), 30+2*rng.IntN(14))))
		}
	}
	return l
}

// TestTallyOf compares with each list's lines: an entry counts for each list that has a part of it.
func TestTallyOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		l := randomLists(rng)
		var counts []ipsetsync.Count
		want := make(map[string]Tally)
		for _, name := range l.names() {
			want[name] = Tally{}
		}
		other := randomLists(rng)
		for _, p := range slices.Concat(slices.Collect(other.set().All()), slices.Collect(other.sets()[cidr.IPv6].All())) {
			c := ipsetsync.Count{Prefix: p, Packets: 1 + rng.Uint64N(1000)}
			counts = append(counts, c, c) // twice, as the kernel lists an entry that it moves
			for _, name := range l.owners(p) {
				w := want[name]
				w.Entries++
				w.Packets += c.Packets
				if len(l.owners(p)) == 1 {
					w.OnlyEntries++
					w.OnlyPackets += c.Packets
				}
				want[name] = w
			}
		}
		rng.Shuffle(len(counts), func(i, j int) { counts[i], counts[j] = counts[j], counts[i] })
		got, errs := TallyOf(l.names(), Sorted(counts), l.visit)
		if len(errs) > 0 || !maps.Equal(got, want) {
			t.Fatalf("%v of %v: %v, not %v; %v", counts, l, got, want, errs)
		}
	}
}

// TestSwaps knocks on sets that are swapped again and again, by the plans of a sync, and counts for
// each packet the lists that had the entry at that moment. At times the counters are lost, as at a
// boot; what was counted since the last swap is lost then, and nothing else.
func TestSwaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		book := &Book{Feeds: make(map[string]*List)}
		want := make(map[string][2]uint64) // packets, and those of only this list, by list
		now, inForce := time.Unix(1e9, 0), lists{}
		live := (*ipsetsync.Live)(nil)
		since := maps.Clone(want)
		for swap := range 12 {
			of := fmt.Sprint("sets ", swap)
			if live != nil && rng.IntN(4) > 0 {
				for p := range inForce.set().All() {
					if rng.IntN(2) == 0 {
						continue
					}
					n := rng.Uint64N(100)
					i := slices.IndexFunc(live.Counts, func(c ipsetsync.Count) bool { return c.Prefix == p })
					if i < 0 {
						live.Counts = append(live.Counts, ipsetsync.Count{Prefix: p})
						i = len(live.Counts) - 1
					}
					live.Counts[i].Packets += n
					owners := inForce.owners(p)
					for _, name := range owners {
						w := since[name]
						w[0] += n
						if len(owners) == 1 {
							w[1] += n
						}
						since[name] = w
					}
				}
			}
			if rng.IntN(8) == 0 {
				live, since = nil, maps.Clone(want)
			}
			var before, after []ipsetsync.Count
			next := randomLists(rng)
			if rng.IntN(4) == 0 {
				next = inForce
			}
			if live != nil {
				before = Sorted(live.Counts)
			}
			plan, err := ipsetsync.NewPlan("voip_bl", cidr.IPv4, ipsetsync.ShapeOf(next.set(), 0), live)
			if err != nil {
				t.Fatal(err)
			}
			after = Sorted(plan.Counts(live))
			was, _ := TallyOf(inForce.names(), before, inForce.visit)
			is, _ := TallyOf(next.names(), after, next.visit)
			book.Settle(now, true, was, of, is)
			want, inForce = since, next
			since = maps.Clone(want)
			live = &ipsetsync.Live{Header: ipsetsync.Header{Type: ipsetsync.TypeHashNet, Counters: true, Maxelem: 1 << 20}, Prefixes: slices.Collect(next.set().All()), Counts: slices.Clone(after)}
			for name, w := range want {
				if l := book.Feeds[name]; l == nil && w != [2]uint64{} || l != nil && (l.Packets != w[0] || l.Only != w[1]) {
					t.Fatalf("round %d, swap %d, list %s: %+v, not %v", round, swap, name, l, w)
				}
			}
		}
	}
}

// TestNow: no packet counts twice, whatever happens to the sets between two syncs.
func TestNow(t *testing.T) {
	for _, test := range []struct {
		name string
		list List
		of   string
		now  Tally
		want string
	}{
		{"knocked", List{Packets: 10, Only: 4, Counted: 7, OnlyCounted: 3}, "x", Tally{Packets: 9, OnlyPackets: 4}, "12 5"},
		{"not knocked", List{Packets: 10, Only: 4, Counted: 7, OnlyCounted: 3}, "x", Tally{Packets: 7, OnlyPackets: 3}, "10 4"},
		{"somebody has emptied the set", List{Packets: 10, Only: 4, Counted: 7, OnlyCounted: 3}, "x", Tally{Packets: 2}, "10 4"},
		{"other sets", List{Packets: 10, Only: 4, Counted: 7}, "y", Tally{Packets: 9, OnlyPackets: 4}, "10 4"},
		{"other sets, nothing counted before", List{Packets: 10, Only: 4}, "y", Tally{Packets: 9, OnlyPackets: 4}, "19 8"},
		{"a copy that was damaged then", List{Packets: 10, Only: 4, Unsure: true}, "x", Tally{Packets: 9}, "10 4"},
		{"a copy that is damaged now", List{Packets: 10, Only: 4}, "x", Tally{Unknown: true}, "10 4"},
	} {
		book := &Book{Of: "x", Feeds: map[string]*List{"a": &test.list}}
		total, known := book.Now("a", test.of, test.now)
		if got := fmt.Sprint(total.Packets, total.Only); got != test.want || !known {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
		if _, known := book.Now("b", test.of, test.now); known {
			t.Error("a list is known that is not in the book")
		}
	}
}

// TestGone: the totals of a list that is taken out wait for its return, for some time; the book is
// bounded.
func TestGone(t *testing.T) {
	book := &Book{Feeds: make(map[string]*List)}
	now := time.Unix(1e9, 0)
	settle := func(names ...string) {
		after := make(map[string]Tally)
		for _, name := range names {
			after[name] = Tally{}
		}
		book.Settle(now, true, map[string]Tally{"a": {Packets: 5}}, "x", after)
	}
	settle("a", "b")
	settle("b")
	now = now.Add(keptGone)
	settle("b")
	if l := book.Feeds["a"]; l == nil || l.Packets == 0 || l.Gone.IsZero() {
		t.Fatalf("%+v", l)
	}
	settle("a", "b")
	if l := book.Feeds["a"]; l == nil || !l.Gone.IsZero() || l.Since != time.Unix(1e9, 0) {
		t.Fatalf("%+v", l)
	}
	settle("b")
	now = now.Add(keptGone + 1)
	settle("b")
	if len(book.Feeds) != 1 {
		t.Fatal(book.Feeds)
	}
	for i := range 3 * mostGone {
		now = now.Add(time.Second)
		settle("b", fmt.Sprint("list", i))
	}
	if n := len(book.Feeds); n != mostGone+2 {
		t.Errorf("%d lists", n)
	}
	if book.Feeds["list0"] != nil || book.Feeds[fmt.Sprint("list", 3*mostGone-2)] == nil {
		t.Error("the wrong ones were dropped")
	}
}

// TestDamaged: a damaged file is said, and begins anew; a missing one is no error.
func TestDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if b, err := Read(store); err != nil || b.Feeds == nil {
		t.Error(b, err)
	}
	for _, text := range []string{"", "{", `{"feeds": {"a": {"packets": -1}}}`, `{"feeds": {"a": null}}`, strings.Repeat("[", 9<<20)} {
		if err := os.WriteFile(filepath.Join(dir, "hits.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Read(store)
		if (err == nil) != strings.Contains(text, "null") || len(b.Feeds) > 0 {
			t.Errorf("%.20q: %v, %v", text, b.Feeds, err)
		}
		b.Settle(time.Unix(1e9, 0), true, nil, "x", map[string]Tally{"a": {}})
	}
}

// TestReplaced compares what is read from the copies with the lists themselves: those that were in force
// and those that are, some of which have another copy, are new or are no longer configured.
func TestReplaced(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 30 {
		store, err := fetch.OpenStore(filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		write := func(name string, ps []cidr.Prefix) {
			staged, err := store.Stage(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range ps {
				fmt.Fprintln(staged, p)
			}
			if err := staged.Commit(fetch.Meta{}); err != nil {
				t.Fatal(err)
			}
		}
		was, is := randomLists(rng), randomLists(rng)
		for name, ps := range was {
			write(name, ps)
			if rng.IntN(2) == 0 {
				is[name] = ps
			}
		}
		var replaced []string
		for name, ps := range is {
			if slices.Equal(ps, was[name]) {
				continue
			}
			if was[name] != nil {
				replaced = append(replaced, name)
			}
			for range 2 { // the copy between was never in force
				if err := store.Keep(name, "_was."+name); err != nil && was[name] != nil {
					t.Fatal(err)
				}
				write(name, ps)
				if was[name] == nil {
					break
				}
			}
		}
		slices.Sort(replaced)
		if got := feeds.Replaced(store); !slices.Equal(got, replaced) {
			t.Fatalf("%v, not %v", got, replaced)
		}
		sync := Sync{Before: random(rng, was), After: random(rng, is)}
		before, after, errs := sync.tallies(store, was.names(), is.names(), replaced)
		wantBefore, _ := TallyOf(was.names(), sync.Before, was.visit)
		wantAfter, _ := TallyOf(is.names(), sync.After, is.visit)
		if len(errs) > 0 || !maps.Equal(before, wantBefore) || !maps.Equal(after, wantAfter) {
			t.Fatalf("%v, then %v: %v, not %v; %v, not %v; %v", was, is, before, wantBefore, after, wantAfter, errs)
		}
		feeds.ForgetReplaced(store, replaced)
		if got := feeds.Replaced(store); len(got) > 0 {
			t.Error(got)
		}
		store.Close()
	}
}

// TestBetween: between two syncs, what was counted is written down once in a while, and no packet counts
// twice. Nothing is while a newer list waits: the next sync does it, with the lists that were in force.
func TestBetween(t *testing.T) {
	store, err := fetch.OpenStore(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	write := func(name, text string) {
		staged, err := store.Stage(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(staged, text)
		if err := staged.Commit(fetch.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "5.5.5.5\n7.7.7.7\n")
	write("b", "7.7.7.7\n")
	both, one := testvalue.Config(t, "feeds: [{name: a, path: /a}, {name: b, path: /b}]\n"), testvalue.Config(t, "feeds: [{name: a, path: /a}]\n")
	counts := func(five, seven uint64) (all []ipsetsync.Count) {
		for text, n := range map[string]uint64{"5.5.5.5": five, "7.7.7.7": seven} {
			if n > 0 {
				c := ipsetsync.Count{Prefix: cidr.MustParsePrefix(text), Packets: n}
				all = append(all, c, c) // as the kernel lists an entry that it moves
			}
		}
		return all
	}
	now := time.Unix(1e9, 0)
	sync := func(cfg config.Config, was, is string, c []ipsetsync.Count) {
		c = Sorted(c)
		g := Begin(store, Sync{Cfg: cfg, Now: now, Was: was, Is: is, Before: c, After: c})
		if warnings := g.End(); len(warnings) > 0 {
			t.Error(warnings)
		}
	}
	sync(both, "", "x", nil)
	sets := "x"
	for i, step := range []struct {
		after       time.Duration
		cfg         config.Config
		five, seven uint64
		do          func()
		want        string
	}{
		{0, both, 2, 3, func() {}, "5 2, 3 0"}, // nothing was ever counted
		{Every - time.Second, both, 4, 3, func() {}, "5 2, 3 0"},
		{time.Second, both, 4, 4, func() {}, "8 4, 4 0"},
		{Every, both, 4, 4, func() {}, "8 4, 4 0"},
		{Every, one, 9, 9, func() {}, "8 4, 4 0"},
		{Every, both, 5, 9, func() { store.Keep("b", "_was.b"); write("b", "5.5.5.5\n") }, "8 4, 4 0"},
		{0, both, 5, 9, func() { sync(both, "x", "y", counts(5, 9)); sets = "y" }, "14 5, 9 0"},
		{Every, both, 6, 10, func() { sets = "z" }, "14 5, 9 0"}, // these are not the sets of the last sync
	} {
		now = now.Add(step.after)
		step.do()
		if warnings := Between(store, step.cfg, now, sets, counts(step.five, step.seven)); len(warnings) > 0 {
			t.Error(warnings)
		}
		b, err := Read(store)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %d, %d %d", b.Feeds["a"].Packets, b.Feeds["a"].Only, b.Feeds["b"].Packets, b.Feeds["b"].Only); got != step.want {
			t.Errorf("step %d: %s, not %s", i, got, step.want)
		}
	}
}

// random returns counts of some entries of lists; of none, at times.
func random(rng *rand.Rand, l lists) (counts []ipsetsync.Count) {
	if rng.IntN(5) == 0 {
		return nil
	}
	for _, set := range l.sets() {
		for p := range set.All() {
			if rng.IntN(2) == 0 {
				counts = append(counts, ipsetsync.Count{Prefix: p, Packets: 1 + rng.Uint64N(1000)})
			}
		}
	}
	return counts
}
