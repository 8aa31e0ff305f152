package main

import (
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// trouble is one row of the table: what is the matter with a host, and from where its
// admin asks.
type trouble struct {
	Agent, Base, Backend, Caller, Config, Sets, Rules, Family, Lists string
}

// factors are the columns of the table, and what may stand in each. The trouble of the
// sets and of the rules is in one family, and is asked about by an address of it.
var factors = []struct {
	name   string
	values []string
	in     func(*trouble) *string
}{
	{"agent", []string{"none", "running", "refused", "hung"}, func(t *trouble) *string { return &t.Agent }},
	{"base", []string{"off", "on"}, func(t *trouble) *string { return &t.Base }},
	{"backend", []string{"nft", "legacy"}, func(t *trouble) *string { return &t.Backend }},
	{"caller", []string{"terminal", "ssh", "neither"}, func(t *trouble) *string { return &t.Caller }},
	{"config", []string{"same", "edited", "broken", "other"}, func(t *trouble) *string { return &t.Config }},
	{"sets", []string{"full", "flushed", "unlisted", "foreign", "missing"}, func(t *trouble) *string { return &t.Sets }},
	{"rules", []string{"right", "drifted", "shadowed", "ufw", "native", "toolless"}, func(t *trouble) *string { return &t.Rules }},
	{"family", []string{"IPv4", "IPv6"}, func(t *trouble) *string { return &t.Family }},
	{"lists", []string{"good", "failing"}, func(t *trouble) *string { return &t.Lists }},
}

func (t trouble) String() string {
	var words []string
	for _, f := range factors {
		words = append(words, f.name+"="+*f.in(&t))
	}
	return strings.Join(words, ",")
}

// combination is a row as the place that its value has in each column.
type combination []int

func (c combination) trouble() (t trouble) {
	for i, f := range factors {
		*f.in(&t) = f.values[c[i]]
	}
	return t
}

// combinations are all rows: the product of all columns.
func combinations() []combination {
	rows := []combination{{}}
	for _, f := range factors {
		var longer []combination
		for _, row := range rows {
			for v := range f.values {
				longer = append(longer, append(slices.Clone(row), v))
			}
		}
		rows = longer
	}
	return rows
}

// choices are all ways to choose n columns.
func choices(n int) (all [][]int) {
	var choose func(from int, chosen []int)
	choose = func(from int, chosen []int) {
		if len(chosen) == n {
			all = append(all, slices.Clone(chosen))
			return
		}
		for i := from; i < len(factors); i++ {
			choose(i+1, append(chosen, i))
		}
	}
	choose(0, nil)
	return all
}

// uncovered knows which combinations of values of n columns no chosen row has yet.
type uncovered struct {
	columns [][]int
	covered []map[int]bool // for each of columns
	missing int
}

func newUncovered(n int) *uncovered {
	u := &uncovered{columns: choices(n)}
	for _, columns := range u.columns {
		u.covered = append(u.covered, make(map[int]bool))
		product := 1
		for _, c := range columns {
			product *= len(factors[c].values)
		}
		u.missing += product
	}
	return u
}

// key numbers the values that a row has in some columns.
func (c combination) key(columns []int) (n int) {
	for _, i := range columns {
		n = n*len(factors[i].values) + c[i]
	}
	return n
}

// gain is how many combinations a row would add.
func (u *uncovered) gain(c combination) (n int) {
	for i, columns := range u.columns {
		if !u.covered[i][c.key(columns)] {
			n++
		}
	}
	return n
}

func (u *uncovered) cover(c combination) {
	u.missing -= u.gain(c)
	for i, columns := range u.columns {
		u.covered[i][c.key(columns)] = true
	}
}

// covering are so many rows that each combination of values of n columns is in one of
// them. Most mistakes need no more than two things to come together.
func covering(rows []combination, n int) (chosen []trouble) {
	u := newUncovered(n)
	// What a row would add only shrinks, so what it was is a bound.
	bound := make([]int, len(rows))
	for i := range bound {
		bound[i] = len(u.columns)
	}
	for u.missing > 0 {
		best, most := 0, 0
		for i, row := range rows {
			if bound[i] <= most {
				continue
			}
			if bound[i] = u.gain(row); bound[i] > most {
				best, most = i, bound[i]
			}
		}
		chosen = append(chosen, rows[best].trouble())
		u.cover(rows[best])
	}
	return chosen
}

// knownTroubles are rows in which answers contradicted each other once: base rules that the
// agent finds in the file, which it does not install by itself, whoever asks about that.
func knownTroubles() (rows []trouble) {
	for _, caller := range []string{"terminal", "ssh", "neither"} {
		rows = append(rows, trouble{"running", "off", "nft", caller, "edited", "full", "right", "IPv4", "good"})
	}
	return rows
}

// chosenTroubles are the rows that this run is for. Those that cover all pairs, by
// VOIPBL_ANSWERS=triples all triples, by VOIPBL_ANSWERS=all each one, by VOIPBL_ANSWERS=n
// every n-th in an order without a pattern; or those whose name begins with a word, or has
// all of several, as in VOIPBL_ANSWERS=sets=foreign,base=on.
func chosenTroubles(t *testing.T) (some []trouble) {
	all, which := combinations(), os.Getenv("VOIPBL_ANSWERS")
	n, err := strconv.Atoi(which)
	switch {
	case which == "" || which == "triples":
		chosen := covering(all, map[string]int{"": 2, "triples": 3}[which])
		for _, row := range knownTroubles() {
			if !slices.Contains(chosen, row) {
				chosen = append(chosen, row)
			}
		}
		return chosen
	case which == "all":
		n, err = 1, nil
	}
	if err == nil && n > 0 {
		for i, at := range rand.New(rand.NewSource(1)).Perm(len(all)) {
			if i%n == 0 {
				some = append(some, all[at].trouble())
			}
		}
		return some
	}
	words := strings.Split(which, ",")
	for _, c := range all {
		has := strings.Split(c.trouble().String(), ",")
		if !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(has, w) }) {
			some = append(some, c.trouble())
		}
	}
	if len(some) == 0 {
		t.Fatalf("VOIPBL_ANSWERS=%s: no row has all of this", which)
	}
	return some
}

// TestCovering holds the choice of rows against what it is to do.
func TestCovering(t *testing.T) {
	all := combinations()
	chosen := covering(all, 2)
	if len(chosen) > 36 { // 30 is the product of the two longest columns
		t.Errorf("%d rows cover all pairs: too many", len(chosen))
	}
	have := make(map[string]bool)
	pairs := func(row trouble, each func(string)) {
		for i, f := range factors {
			for _, g := range factors[:i] {
				each(f.name + "=" + *f.in(&row) + "," + g.name + "=" + *g.in(&row))
			}
		}
	}
	for _, row := range chosen {
		pairs(row, func(p string) { have[p] = true })
	}
	for _, c := range all {
		pairs(c.trouble(), func(p string) {
			if !have[p] {
				t.Fatalf("no row has %s", p)
			}
		})
	}
	t.Logf("%d of %d rows", len(chosen), len(all))
}
