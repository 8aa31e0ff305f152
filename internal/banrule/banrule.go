// Package banrule tells which rules, chains and sets are those of fail2ban's actions, of ours
// and of its own, by their names and forms: in saved rules too, where nothing else says whose
// they are. Pure.
package banrule

import (
	"slices"
	"strings"
)

// How the names of chains and sets begin, if nobody has given them others.
const (
	SetChains = "f2bv-"     // chains of voipbl-set
	Sets      = "own-"      // sets of voipbl-set
	SSH       = "f2bs-"     // chains and sets of voipbl-ssh
	Common    = "fail2ban-" // those that base rules ask, and others may fill too
	Stock     = "f2b-"      // of fail2ban's own actions
)

// IsFail2ban reports whether a chain or a set has a name that only fail2ban's have. Sets of
// voipbl-set have none: see [Is].
func IsFail2ban(name string) bool {
	return slices.ContainsFunc([]string{SetChains, SSH, Common, Stock}, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// Is reports whether a rule is one of our actions: it is in a chain of such a name or, since
// own_chain= gives the chain any name, one that only they write. words are those of a saved
// rule, "-A CHAIN ...", with counters before it or without.
func Is(words []string) bool {
	if len(words) > 0 && strings.HasPrefix(words[0], "[") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "-A" {
		return false
	}
	return strings.HasPrefix(words[1], SetChains) || strings.HasPrefix(words[1], SSH) || IsWritten(words[2:])
}

// SetsOf are the sets that a rule asks for and that voipbl-sets makes at boot, for fail2ban
// makes them later than saved rules are loaded: those that base rules ask, and those of our
// actions. A set with a name of voipbl-set's that other rules ask for is another program's.
func SetsOf(words []string) (sets []string) {
	for i, w := range words {
		if w != "--match-set" || i+1 == len(words) {
			continue
		}
		name := words[i+1]
		if strings.HasPrefix(name, Common) || strings.HasPrefix(name, SSH) || strings.HasPrefix(name, Sets) && Is(words) {
			sets = append(sets, name)
		}
	}
	return sets
}

// IsWritten reports whether only our actions write such a rule, in whatever chain it is: it
// asks for a set of voipbl-ssh, or has the form of those of voipbl-set.
func IsWritten(words []string) bool {
	if len(words) == 0 {
		return false
	}
	for i, w := range words[:len(words)-1] {
		if w == "--match-set" && strings.HasPrefix(words[i+1], SSH) {
			return true
		}
	}
	return hasForm(words)
}

// form is what they write: it closes ports to the members of a set. A word that is empty here
// may be any.
var form = []string{"-p", "", "-m", "multiport", "--dports", "", "-m", "set", "--match-set", "", "src"}

// remark says whose a rule is, behind the form. Older versions wrote none.
var remark = []string{"-m", "comment", "--comment", ""}

func hasForm(words []string) bool {
	if !begins(words, form) || !strings.HasPrefix(words[9], Sets) {
		return false
	}
	rest := words[len(form):]
	if begins(rest, remark) {
		rest = rest[len(remark):]
	}
	return len(rest) > 1 && rest[0] == "-j" && rest[1] != "ACCEPT" && rest[1] != "RETURN"
}

func begins(words, with []string) bool {
	if len(words) < len(with) {
		return false
	}
	for i, want := range with {
		if want != "" && words[i] != want {
			return false
		}
	}
	return true
}
