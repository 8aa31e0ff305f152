package firewall

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// edit is one line of diffRules' output.
type edit struct {
	op   Op
	rule string
}

func edits(have, want []string) []edit {
	var list []edit
	diffRules(have, want, func(op Op, rule string) { list = append(list, edit{op, rule}) })
	return list
}

// explains reports whether the edits, in order, turn have into want. It tries all possibilities.
func explains(list []edit, have, want []string) bool {
	if len(list) == 0 {
		return slices.Equal(have, want)
	}
	if len(have) > 0 && len(want) > 0 && have[0] == want[0] && explains(list, have[1:], want[1:]) {
		return true
	}
	switch e := list[0]; e.op {
	case OpRemove:
		return len(have) > 0 && have[0] == e.rule && explains(list[1:], have[1:], want)
	case OpAdd:
		return len(want) > 0 && want[0] == e.rule && explains(list[1:], have, want[1:])
	}
	return false
}

// fewest returns how many rules have to be removed and added, by trying all possibilities.
func fewest(have, want []string) int {
	if len(have) == 0 || len(want) == 0 {
		return len(have) + len(want)
	}
	n := 1 + min(fewest(have[1:], want), fewest(have, want[1:]))
	if have[0] == want[0] {
		n = min(n, fewest(have[1:], want[1:]))
	}
	return n
}

// TestDiffRules compares with a slow oracle: the list is right, and none is shorter.
func TestDiffRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 7)
		have, want := rules.Draw(t, "have"), rules.Draw(t, "want")
		list := edits(have, want)
		if !explains(list, have, want) {
			t.Fatalf("%v does not turn %v into %v", list, have, want)
		}
		if n := fewest(have, want); len(list) != n {
			t.Fatalf("%d changes, where %d do: %v", len(list), n, list)
		}
	})
}

// TestDiffRulesOfMany: for lists too long to compare rule by rule, the result is still right, and still
// leaves out what is the same at both ends.
func TestDiffRulesOfMany(t *testing.T) {
	var have, want []string
	for i := range 1200 {
		have, want = append(have, fmt.Sprint("old ", i)), append(want, fmt.Sprint("new ", i))
	}
	have, want = slices.Concat([]string{"first"}, have, []string{"last"}), slices.Concat([]string{"first"}, want, []string{"last"})
	list := edits(have, want)
	if len(list) != 2400 || list[0] != (edit{OpRemove, "old 0"}) || list[2399] != (edit{OpAdd, "new 1199"}) {
		t.Fatalf("%d changes, from %v to %v", len(list), list[0], list[len(list)-1])
	}
	// In a shorter list, one changed rule among a thousand is one line.
	have = have[:1000]
	changed := slices.Clone(have)
	changed[500] = "another"
	if got := edits(have, changed); !slices.Equal(got, []edit{{OpRemove, "old 499"}, {OpAdd, "another"}}) {
		t.Errorf("%v", got)
	}
}

func TestChange(t *testing.T) {
	const jump, out, drop = `-m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`, `-m comment --comment "voipbl: everything may go out" -j ACCEPT`, `-m set --match-set voip_bl src -m comment --comment "voipbl: x" -j DROP`
	for _, test := range []struct {
		change Change
		text   string
		base   bool
	}{
		{Change{"IPv4", "filter", "INPUT", OpAdd, drop, nil}, "+ -A INPUT " + drop, false},
		{Change{"IPv4", "raw", "PREROUTING", OpRemove, drop, nil}, "- -A PREROUTING " + drop, false},
		{Change{"IPv6", "filter", "INPUT", OpMove, jump, []string{"-j ACCEPT"}}, "^ -A INPUT " + jump, true},
		{Change{"IPv6", "filter", "OUTPUT", OpAdd, out, nil}, "+ -A OUTPUT " + out, true},
		{Change{"IPv4", "filter", "VOIPBL-INPUT", OpCreate, "", nil}, "+ -N VOIPBL-INPUT", true},
		{Change{"IPv4", "filter", "VOIPBL-INPUT", OpDelete, "", nil}, "- -X VOIPBL-INPUT", true},
		{Change{"IPv4", "filter", "VOIPBL-INPUT", OpAdd, "-j DROP", nil}, "+ -A VOIPBL-INPUT -j DROP", true},
		{Change{"IPv4", "filter", "VOIPBL-DROP", OpDelete, "", nil}, "- -X VOIPBL-DROP", false},
	} {
		if got := test.change.String(); got != test.text {
			t.Errorf("got %s, want %s", got, test.text)
		}
		if got := test.change.Base(); got != test.base {
			t.Errorf("%s: about the base rules: %v", strings.TrimSpace(test.text), got)
		}
	}
}
