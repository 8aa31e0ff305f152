package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

const (
	// ChainPrefix begins the names of our chains, and of no others.
	ChainPrefix = "VOIPBL-"

	// CommentPrefix begins the comment of each rule of ours. It is how our
	// rules in the kernel's own chains are told from those of others.
	CommentPrefix = "voipbl: "
)

// Rule is one rule, in parts that can be reasoned about and rendered.
type Rule struct {
	For     string       // what it is for, without quotes or backslashes; its comment
	In      string       // the interface that a packet comes in by; empty for any
	From    netip.Prefix // where it comes from; the zero Prefix for anywhere
	Proto   string       // "tcp", "udp", "icmp", "ipv6-icmp"; empty for any
	Ports   []PortRange  // destination ports; nil for any
	Multi   bool         // match a single range with multiport too, as the published ruleset does
	Matches []string     // further matches, as iptables writes them
	Target  string       // "ACCEPT", "DROP", a chain …, with its options; empty to go on
}

// String is the rule as iptables-save writes it, without "-A CHAIN".
func (r Rule) String() string {
	var words []string
	if r.From.IsValid() {
		words = append(words, "-s", r.From.String())
	}
	if r.In != "" {
		words = append(words, "-i", r.In)
	}
	if r.Proto != "" {
		words = append(words, "-p", r.Proto)
	}
	switch {
	case r.Multi, len(r.Ports) > 1:
		var lists []string
		for _, p := range r.Ports {
			lists = append(lists, dports(p))
		}
		words = append(words, "-m multiport --dports", strings.Join(lists, ","))
	case len(r.Ports) == 1: // which is cheaper
		words = append(words, "-m", r.Proto, "--dport", r.Ports[0].String())
	}
	words = append(words, r.Matches...)
	words = append(words, `-m comment --comment "`+CommentPrefix+r.For+`"`)
	if r.Target != "" {
		words = append(words, "-j", r.Target)
	}
	return strings.Join(words, " ")
}

// splitRule splits a rule in the kernel's text into words. iptables-save puts what has
// blanks or quotes into quotes, with backslashes before what is special; some names
// it does not, so that a quote within a word is a letter like others.
func splitRule(rule string) []string {
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

// option returns the word after the last of the flags in a rule.
func option(rule string, flags ...string) string {
	all := splitRule(rule)
	for i := len(all) - 2; i >= 0; i-- {
		if slices.Contains(flags, all[i]) {
			return all[i+1]
		}
	}
	return ""
}

// ours reports whether a rule in the kernel's text is one that voipbl made in a
// chain of the kernel: it has our mark, and does one of the things that those rules
// do. What only looks like it, such as an ACCEPT for somebody's address with a
// comment of that kind, is not.
func ours(rule string) bool {
	if !strings.HasPrefix(commentOf(rule), CommentPrefix) {
		return false
	}
	to := target(rule)
	return isOurChain(to) ||
		to == "DROP" && option(rule, "--match-set") != "" ||
		to == "ACCEPT" && WithoutPurpose(rule) == "-j ACCEPT"
}

func commentOf(rule string) string {
	// A rule may have several; the one that we write is the last match.
	return option(rule, "--comment")
}

// isOurChain reports whether a chain is one that voipbl made.
func isOurChain(name string) bool { return strings.HasPrefix(name, ChainPrefix) }

// target returns the chain or target of a rule in the kernel's text.
func target(rule string) string { return option(rule, "-j", "-g") }

// Purpose returns what a rule of ours is for, and nothing for one of others.
func Purpose(rule string) string {
	purpose, found := strings.CutPrefix(commentOf(rule), CommentPrefix)
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
