package portrange

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestKinds(t *testing.T) {
	for _, test := range []struct {
		rules [][]Range
		want  string
	}{
		{nil, "[[0:65535]]"},
		{[][]Range{{{22, 22}, {80, 81}}, {{22, 22}, {80, 81}}}, "[[0:21 23:79 82:65535] [22 80:81]]"},
		{[][]Range{{{5060, 5061}}, {{5061, 5070}}}, "[[0:5059 5071:65535] [5060] [5061] [5062:5070]]"},
		{[][]Range{{{0, 65535}}, {{65535, 65535}}}, "[[0:65534] [65535]]"},
		{[][]Range{{{20, 30}, {25, 40}, {41, 41}}}, "[[0:19 42:65535] [20:41]]"},
	} {
		if got, whole := Kinds(test.rules); fmt.Sprint(got) != test.want || !whole {
			t.Errorf("%v: %v, %v", test.rules, got, whole)
		}
	}
	var many [][]Range
	for port := range uint16(mostKinds) {
		many = append(many, []Range{{2 * port, 2 * port}})
	}
	if got, whole := Kinds(many); len(got) != mostKinds || whole {
		t.Errorf("of %d ports: %d kinds, whole %v", len(many), len(got), whole)
	}
}

// TestKindsByEachPort compares Kinds with the rules of each single port.
func TestKindsByEachPort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		port := rapid.OneOf(rapid.Uint16(), rapid.Uint16Range(0, 6), rapid.Uint16Range(65530, 65535))
		rules := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
			a, b := port.Draw(t, "a"), port.Draw(t, "b")
			return Range{min(a, b), max(a, b)}
		}), 0, 4), 0, 5).Draw(t, "rules")
		askedBy := func(port uint16) string {
			name := ""
			for _, r := range rules {
				name += fmt.Sprint(slices.ContainsFunc(r, func(r Range) bool { return r.Has(port) }))
			}
			return name
		}
		kinds, _ := Kinds(rules)
		kindOf := make([]int, 1<<16)
		for i, ranges := range kinds {
			for _, r := range ranges {
				for port := int(r.First); port <= int(r.Last); port++ {
					if kindOf[port] != 0 {
						t.Fatalf("port %d is of two kinds", port)
					}
					kindOf[port] = i + 1
				}
			}
		}
		seen := make(map[string]int)
		for port, kind := range kindOf {
			by := askedBy(uint16(port))
			if seen[by] == 0 {
				seen[by] = kind
			}
			if kind == 0 || kind != seen[by] {
				t.Fatalf("port %d is of kind %d, and others like it of kind %d", port, kind, seen[by])
			}
		}
		if len(seen) != len(kinds) {
			t.Fatalf("%d kinds of %d", len(kinds), len(seen))
		}
	})
}
