package iptables

import (
	"slices"
	"strings"
)

// Next returns the word after the one at i, or "" if that is the last.
func Next(words []string, i int) string {
	if i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// Words splits a rule as the kernel lists it into words. iptables-save puts values with blanks or
// quotes into quotes, with backslashes before special characters. It does not do so for some
// names, so a quote within a word is an ordinary character.
func Words(rule string) []string {
	var all []string
	var word strings.Builder
	quoted, begun := false, false
	end := func() {
		if begun {
			all = append(all, word.String())
		}
		word.Reset()
		begun = false
	}
	for i := 0; i < len(rule); i++ {
		switch c := rule[i]; {
		case quoted && c == '\\' && i+1 < len(rule):
			i++
			word.WriteByte(rule[i])
		case quoted && c == '"':
			quoted = false
		case c == '"' && !begun:
			quoted, begun = true, true
		case c == ' ' && !quoted:
			end()
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	end()
	return all
}

// Option returns the word after the last of the given flags in a rule.
func Option(rule string, flags ...string) string {
	all := Words(rule)
	for i := len(all) - 2; i >= 0; i-- {
		if slices.Contains(flags, all[i]) {
			return all[i+1]
		}
	}
	return ""
}

// IsOurHook reports whether a listed rule in a kernel chain is voipbl's: it has voipbl's comment,
// and does one of the things that such rules do. A rule that only has a similar comment, such as
// an ACCEPT for somebody's address, is not.
func IsOurHook(rule string) bool {
	if !strings.HasPrefix(CommentOf(rule), CommentPrefix) {
		return false
	}
	to := Target(rule)
	return IsOurChain(to) ||
		to == "DROP" && Option(rule, "--match-set") != "" ||
		to == "ACCEPT" && WithoutPurpose(rule) == "-j ACCEPT"
}

// CommentOf returns the comment of a listed rule; of several comments, the last.
func CommentOf(rule string) string {
	// A rule may have several; voipbl's is the last match.
	return Option(rule, "--comment")
}

// IsOurChain reports whether a chain is voipbl's.
func IsOurChain(name string) bool { return strings.HasPrefix(name, ChainPrefix) }

// Target returns the chain or target of a listed rule.
func Target(rule string) string { return Option(rule, "-j", "-g") }

// Purpose returns what a rule of voipbl's is for, and "" for other rules.
func Purpose(rule string) string {
	purpose, found := strings.CutPrefix(CommentOf(rule), CommentPrefix)
	if !found {
		return ""
	}
	return purpose
}

// WithoutPurpose returns a rule of voipbl's without its comment, for callers that show the
// comment elsewhere.
func WithoutPurpose(rule string) string {
	purpose := Purpose(rule)
	text := `-m comment --comment "` + CommentPrefix + purpose + `"`
	at := strings.LastIndex(rule, text)
	if purpose == "" || at < 0 {
		return rule
	}
	return strings.TrimSpace(strings.TrimSpace(rule[:at]) + " " + strings.TrimSpace(rule[at+len(text):]))
}

// MatchesSet reports whether a rule refers to a set.
func MatchesSet(rule, set string) bool {
	all := Words(rule)
	for i, w := range all[:max(0, len(all)-1)] {
		switch w {
		case "--match-set", "--add-set", "--del-set", "--map-set":
			if all[i+1] == set {
				return true
			}
		}
	}
	return false
}

// IsOurs reports whether a rule of a chain is voipbl's.
func IsOurs(chain, rule string) bool {
	return IsOurHook(rule) || IsOurChain(chain) && Purpose(rule) != ""
}
