package iptables

import (
	"slices"
	"strings"
)

// Next is the word behind one of some words; empty if that is the last.
func Next(words []string, i int) string {
	if i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// Words splits a rule in the kernel's text into words. iptables-save puts what has
// blanks or quotes into quotes, with backslashes before what is special; some names
// it does not, so that a quote within a word is a letter like others.
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

// Option returns the word after the last of the flags in a rule.
func Option(rule string, flags ...string) string {
	all := Words(rule)
	for i := len(all) - 2; i >= 0; i-- {
		if slices.Contains(flags, all[i]) {
			return all[i+1]
		}
	}
	return ""
}

// IsOurHook reports whether a rule in the kernel's text is one that voipbl made in a
// chain of the kernel: it has our mark, and does one of the things that those rules
// do. What only looks like it, such as an ACCEPT for somebody's address with a
// comment of that kind, is not.
func IsOurHook(rule string) bool {
	if !strings.HasPrefix(CommentOf(rule), CommentPrefix) {
		return false
	}
	to := Target(rule)
	return IsOurChain(to) ||
		to == "DROP" && Option(rule, "--match-set") != "" ||
		to == "ACCEPT" && WithoutPurpose(rule) == "-j ACCEPT"
}

// CommentOf is the comment of a rule in the kernel's text; of several the last one.
func CommentOf(rule string) string {
	// A rule may have several; the one that we write is the last match.
	return Option(rule, "--comment")
}

// IsOurChain reports whether a chain is one that voipbl made.
func IsOurChain(name string) bool { return strings.HasPrefix(name, ChainPrefix) }

// Target returns the chain or target of a rule in the kernel's text.
func Target(rule string) string { return Option(rule, "-j", "-g") }

// Purpose returns what a rule of ours is for, and nothing for one of others.
func Purpose(rule string) string {
	purpose, found := strings.CutPrefix(CommentOf(rule), CommentPrefix)
	if !found {
		return ""
	}
	return purpose
}

// WithoutPurpose is a rule of ours without its comment, for whoever shows that
// elsewhere.
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

// IsOurs reports whether a rule of a chain is one that voipbl made.
func IsOurs(chain, rule string) bool {
	return IsOurHook(rule) || IsOurChain(chain) && Purpose(rule) != ""
}
