// Package banrule recognizes the rules, chains and sets of fail2ban's actions, of voipbl's
// own actions and of fail2ban's stock ones, by their names and forms. That works in saved
// rules, too, where nothing else shows who made them. It only compares words: it reads no
// rules and changes none. Packages that read rules use it; it imports nothing of voipbl.
package banrule

import (
	"slices"
	"strings"
)

// Prefixes of the default names of chains and sets.
const (
	SetChains = "f2bv-"     // chains of voipbl-set
	Sets      = "own-"      // sets of voipbl-set
	SSH       = "f2bs-"     // chains and sets of voipbl-ssh
	Common    = "fail2ban-" // the sets that base rules use, which other programs may fill, too
	Stock     = "f2b-"      // those of fail2ban's stock actions
)

// IsFail2ban reports whether name is one that only chains and sets of fail2ban have. Sets
// of voipbl-set have no such name: see isOurs.
func IsFail2ban(name string) bool {
	return slices.ContainsFunc([]string{SetChains, SSH, Common, Stock}, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// isOurs reports whether a rule was made by one of our actions: its chain has such a name, or
// the rule has a form that only they write (own_chain= allows any name for the chain). words
// are the words of a saved rule, "-A CHAIN ...", with or without counters before it.
func isOurs(words []string) bool {
	if len(words) > 0 && strings.HasPrefix(words[0], "[") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "-A" {
		return false
	}
	return strings.HasPrefix(words[1], SetChains) || strings.HasPrefix(words[1], SSH) || IsWritten(words[2:])
}

// SetsOf returns the sets in a rule that voipbl-sets must make at boot, because fail2ban
// makes them only after saved rules are loaded: those that base rules use, and those of our
// actions. A set with a name of voipbl-set in any other rule belongs to another program.
func SetsOf(words []string) (sets []string) {
	for i, w := range words {
		if w != "--match-set" || i+1 == len(words) {
			continue
		}
		name := words[i+1]
		if strings.HasPrefix(name, Common) || strings.HasPrefix(name, SSH) || strings.HasPrefix(name, Sets) && isOurs(words) {
			sets = append(sets, name)
		}
	}
	return sets
}

// IsWritten reports whether only our actions write such a rule, in any chain: it uses a set
// of voipbl-ssh, or has the form of a rule of voipbl-set.
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

// form is the form of their rules, which close ports to the members of a set. An empty word
// stands for any word.
var form = []string{"-p", "", "-m", "multiport", "--dports", "", "-m", "set", "--match-set", "", "src"}

// remark is the comment after the form. Older versions wrote none.
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
