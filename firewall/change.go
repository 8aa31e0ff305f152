package firewall

import "github.com/voipbl/voipbl/iptables"

// Op is what a Change does.
type Op string

const (
	OpAdd    Op = "add"    // add a rule
	OpRemove Op = "remove" // remove a rule
	OpMove   Op = "move"   // move a rule of voipbl's to its proper place
	OpCreate Op = "create" // create a chain
	OpDelete Op = "delete" // delete a chain and its rules
)

// Change is one difference between what the kernel holds and what it should hold.
type Change struct {
	Family string   `json:"family"`
	Table  string   `json:"table"`
	Chain  string   `json:"chain"`
	Op     Op       `json:"op"`
	Rule   string   `json:"rule,omitempty"`   // of OpAdd, OpRemove and OpMove
	Others []string `json:"others,omitempty"` // of OpMove: the rules in its place
}

// String returns the change on one line, marked as in diff(1).
func (c Change) String() string {
	switch c.Op {
	case OpAdd:
		return "+ -A " + c.Chain + " " + c.Rule
	case OpRemove:
		return "- -A " + c.Chain + " " + c.Rule
	case OpMove:
		return "^ -A " + c.Chain + " " + c.Rule
	case OpCreate:
		return "+ -N " + c.Chain
	}
	return "- -X " + c.Chain
}

// Words is String for people: it ends with what the rule is for, which reads better than a
// comment in the middle.
func (c Change) Words() string {
	purpose := iptables.Purpose(c.Rule)
	if purpose == "" {
		return c.String()
	}
	c.Rule = iptables.WithoutPurpose(c.Rule)
	return c.String() + "  # " + purpose
}

// Base reports whether the change is about the base rules.
func (c Change) Base() bool {
	return c.Table == "filter" && (iptables.IsBaseChain(c.Chain) || c.Rule != "" && iptables.StandsLast(c.Rule))
}

// MovesDrop reports whether changes move the drop of a family from one table to the other, and
// whether they do nothing else.
func MovesDrop(changes []Change) (moves, only bool) {
	added, removed := make(map[string]string), make(map[string]string) // the table, by family
	for _, c := range changes {
		switch {
		case !iptables.IsDropPlace(c.Table, c.Chain) || c.Base():
		case c.Op == OpAdd:
			added[c.Family] = c.Table
		case c.Op == OpRemove:
			removed[c.Family] = c.Table
		}
	}
	moved := func(family string) bool {
		return added[family] != "" && removed[family] != "" && added[family] != removed[family]
	}
	only = len(changes) > 0
	for _, c := range changes {
		moves = moves || moved(c.Family)
		only = only && moved(c.Family) && !c.Base() && c.Op != OpMove
	}
	return moves, only
}

// maxCompared bounds the table of diffRules. If more than a thousand rules differ on both
// sides, nobody needs the shortest listing.
const maxCompared = 1 << 20

// diffRules lists the changes that turn have into want, in order. It finds the shortest such
// list, by the longest common subsequence.
func diffRules(have, want []string, add func(op Op, rule string)) {
	for len(have) > 0 && len(want) > 0 && have[0] == want[0] {
		have, want = have[1:], want[1:]
	}
	for len(have) > 0 && len(want) > 0 && have[len(have)-1] == want[len(want)-1] {
		have, want = have[:len(have)-1], want[:len(want)-1]
	}
	if len(have)*len(want) > maxCompared {
		for _, r := range have {
			add(OpRemove, r)
		}
		for _, r := range want {
			add(OpAdd, r)
		}
		return
	}
	longest := commonLengths(have, want)
	for i, j := 0, 0; i < len(have) || j < len(want); {
		switch {
		case i < len(have) && j < len(want) && have[i] == want[j]:
			i, j = i+1, j+1
		case j == len(want) || i < len(have) && longest[i+1][j] >= longest[i][j+1]:
			add(OpRemove, have[i])
			i++
		default:
			add(OpAdd, want[j])
			j++
		}
	}
}

// commonLengths returns, for each pair of tails of a and b, the length of their longest common
// subsequence.
func commonLengths(a, b []string) [][]int {
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	return longest
}
