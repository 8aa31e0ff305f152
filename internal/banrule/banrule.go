// Package banrule tells which rules are those of our action voipbl-set for fail2ban, in saved
// rules too, where nothing else says whose they are.
package banrule

import "strings"

// What voipbl-set calls its chains and sets, if nobody has given them other names.
const (
	Chains = "f2bv-"
	Sets   = "own-"
)

// IsSet reports whether a rule is one of voipbl-set: it is in a chain of that name or, since
// own_chain= gives the chain any name, has just the form that voipbl-set writes. words are those
// of a saved rule, "-A CHAIN ...", with counters before it or without.
func IsSet(words []string) bool {
	if len(words) > 0 && strings.HasPrefix(words[0], "[") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "-A" {
		return false
	}
	return strings.HasPrefix(words[1], Chains) || hasForm(words[2:])
}

// form is what voipbl-set writes: it closes ports to the members of a set. A word that is empty
// here may be any.
var form = []string{"-p", "", "-m", "multiport", "--dports", "", "-m", "set", "--match-set", "", "src", "-j", ""}

func hasForm(words []string) bool {
	if len(words) < len(form) {
		return false
	}
	for i, want := range form {
		if want != "" && words[i] != want {
			return false
		}
	}
	set, target := words[9], words[12]
	return strings.HasPrefix(set, Sets) && target != "ACCEPT" && target != "RETURN"
}
