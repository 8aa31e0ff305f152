package main

import (
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testshare"
)

// trouble is one row of the table: what is the matter with a host, and from where its
// admin asks.
type trouble struct {
	Agent, Base, Backend, Drop, Caller, Config, Sets, Rules, Family, Lists string
}

// factors are the columns of the table and their values. The trouble of the sets and of the rules
// concerns one family, and the questions are about an address of that family. With "toolless" the
// tools of iptables are missing, or only those of IPv6: see takeTools.
var factors = []struct {
	name   string
	values []string
	in     func(*trouble) *string
}{
	{"agent", []string{"none", "running", "refused", "hung"}, func(t *trouble) *string { return &t.Agent }},
	{"base", []string{"off", "on"}, func(t *trouble) *string { return &t.Base }},
	{"backend", []string{"nft", "legacy", "auto"}, func(t *trouble) *string { return &t.Backend }},
	{"drop", []string{"auto", "prerouting"}, func(t *trouble) *string { return &t.Drop }},
	{"caller", []string{"terminal", "ssh", "neither"}, func(t *trouble) *string { return &t.Caller }},
	{"config", []string{"same", "edited", "broken", "other"}, func(t *trouble) *string { return &t.Config }},
	{"sets", []string{"full", "flushed", "unlisted", "foreign", "missing"}, func(t *trouble) *string { return &t.Sets }},
	{"rules", []string{"right", "drifted", "shadowed", "ufw", "native", "toolless"}, func(t *trouble) *string { return &t.Rules }},
	{"family", []string{"IPv4", "IPv6"}, func(t *trouble) *string { return &t.Family }},
	{"lists", []string{"good", "failing"}, func(t *trouble) *string { return &t.Lists }},
}

// tools is the backend that the row's rules are in: by "auto" that of Debian.
func (t trouble) tools() string {
	if t.Backend == "auto" {
		return "nft"
	}
	return t.Backend
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

// covering chooses rows so that each combination of values of n columns is in one of them. Most
// mistakes need only two things to come together.
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

// knownTroubles are rows in which answers contradicted each other once: base rules in the file that
// the agent does not install by itself, for every caller; and remedies that change a file that has
// a mistake, or that the agent then refuses.
func knownTroubles() (rows []trouble) {
	rows = append(rows,
		trouble{"running", "off", "legacy", "auto", "neither", "edited", "foreign", "native", "IPv6", "good"},
		trouble{"running", "on", "nft", "prerouting", "ssh", "broken", "foreign", "ufw", "IPv4", "good"},
		trouble{"running", "on", "auto", "auto", "ssh", "broken", "unlisted", "right", "IPv6", "good"},
	)
	for _, caller := range []string{"terminal", "ssh", "neither"} {
		rows = append(rows, trouble{"running", "off", "nft", "auto", caller, "edited", "full", "right", "IPv4", "good"})
	}
	return rows
}

// chosenTroubles are the rows that this run is for. The first word of VOIPBL_ANSWERS chooses
// them: a share of those that cover all pairs (no word), "triples" all triples, "issue" those of
// issueTroubles, "all" each one, n every n-th in an order without a pattern. Words that
// follow, or stand alone, leave out all rows that do not have them, as in
// VOIPBL_ANSWERS=issue,agent=none or VOIPBL_ANSWERS=sets=foreign,base=on.
func chosenTroubles(t *testing.T) (some []trouble) {
	words := strings.Split(os.Getenv("VOIPBL_ANSWERS"), ",")
	choice := "all"
	if !strings.Contains(words[0], "=") {
		choice, words = words[0], words[1:]
	}
	all := combinations()
	switch choice {
	case "":
		some = testshare.Every(t, 3, covering(all, 2))
		for _, row := range knownTroubles() {
			if !slices.Contains(some, row) {
				some = append(some, row)
			}
		}
	case "triples":
		some = covering(all, 3)
	case "issue":
		some = issueTroubles(all)
	default:
		n, err := strconv.Atoi(choice)
		if choice == "all" {
			n, err = 1, nil
		}
		if err != nil || n < 1 {
			t.Fatalf("VOIPBL_ANSWERS: no rows are called %q", choice)
		}
		for i, at := range rand.New(rand.NewSource(1)).Perm(len(all)) {
			if i%n == 0 {
				some = append(some, all[at].trouble())
			}
		}
	}
	some = slices.DeleteFunc(some, func(row trouble) bool {
		has := strings.Split(row.String(), ",")
		return slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(has, w) })
	})
	if len(some) == 0 {
		t.Fatalf("VOIPBL_ANSWERS: no row of %q has all of %s", choice, words)
	}
	return some
}

// ofIssue is what a row is by the columns that are crossed in full: agent, caller,
// configuration, sets and rules. There, sets are empty for one reason or the other, and the
// firewall has one other owner or the other. It reports false for what is in no such row.
func ofIssue(t trouble) (trouble, bool) {
	switch t.Sets {
	case "flushed", "unlisted":
		t.Sets = "empty"
	}
	switch t.Rules {
	case "ufw", "native":
		t.Rules = "owned"
	case "toolless":
		return t, false
	}
	return trouble{Agent: t.Agent, Caller: t.Caller, Config: t.Config, Sets: t.Sets, Rules: t.Rules}, t.Config != "other"
}

// issueTroubles are each combination by ofIssue once. The other columns are spread over
// them, so that as many triples as can be are in one of them.
func issueTroubles(all []combination) (chosen []trouble) {
	ways := make(map[trouble][]combination)
	var kinds []trouble
	for _, at := range rand.New(rand.NewSource(2)).Perm(len(all)) {
		kind, in := ofIssue(all[at].trouble())
		if !in {
			continue
		}
		if ways[kind] == nil {
			kinds = append(kinds, kind)
		}
		ways[kind] = append(ways[kind], all[at])
	}
	u := newUncovered(3)
	for _, kind := range kinds {
		best := slices.MaxFunc(ways[kind], func(a, b combination) int { return u.gain(a) - u.gain(b) })
		u.cover(best)
		chosen = append(chosen, best.trouble())
	}
	return chosen
}

// eachPair calls tell with each pair of values that a row has in two columns.
func eachPair(row trouble, tell func(string)) {
	for i, f := range factors {
		for _, g := range factors[:i] {
			tell(f.name + "=" + *f.in(&row) + "," + g.name + "=" + *g.in(&row))
		}
	}
}

// TestCovering holds the choices of rows against what they are to do.
func TestCovering(t *testing.T) {
	all := combinations()
	pairs, issue := covering(all, 2), issueTroubles(all)
	if len(pairs) > 36 { // 30 is the product of the two longest columns
		t.Errorf("%d rows cover all pairs: too many", len(pairs))
	}
	if want := 4 * 3 * 3 * 4 * 4; len(issue) != want {
		t.Errorf("%d rows cross what is crossed in full, not %d", len(issue), want)
	}
	for _, c := range []struct {
		name   string
		chosen []trouble
		in     func(trouble) bool
	}{
		{"pairs", pairs, func(trouble) bool { return true }},
		{"issue", issue, func(row trouble) bool { _, in := ofIssue(row); return in }},
	} {
		have := make(map[string]bool)
		for _, row := range c.chosen {
			eachPair(row, func(p string) { have[p] = true })
		}
		for _, row := range all {
			if row := row.trouble(); c.in(row) {
				eachPair(row, func(p string) {
					if !have[p] {
						t.Fatalf("%s: no row has %s", c.name, p)
					}
				})
			}
		}
		t.Logf("%s: %d of %d rows", c.name, len(c.chosen), len(all))
	}
}
