package firewall

import (
	"net/netip"
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
	Multi   bool         // match the ports with multiport
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
	case r.Multi:
		var lists []string
		for _, p := range r.Ports {
			lists = append(lists, p.list())
		}
		words = append(words, "-m multiport --dports", strings.Join(lists, ","))
	case len(r.Ports) == 1:
		words = append(words, "-m", r.Proto, "--dport", r.Ports[0].String())
	}
	words = append(words, r.Matches...)
	words = append(words, `-m comment --comment "`+CommentPrefix+r.For+`"`)
	if r.Target != "" {
		words = append(words, "-j", r.Target)
	}
	return strings.Join(words, " ")
}

// ours reports whether a rule in the kernel's text is one that voipbl made.
// Within a comment a quote has a backslash before it, so nobody's text can hold
// the mark by chance.
func ours(rule string) bool {
	return strings.Contains(rule, ` --comment "`+CommentPrefix)
}

// isOurChain reports whether a chain is one that voipbl made.
func isOurChain(name string) bool { return strings.HasPrefix(name, ChainPrefix) }

// target returns the chain or target of a rule in the kernel's text.
func target(rule string) string {
	for _, flag := range []string{" -j ", " -g "} {
		if i := strings.LastIndex(" "+rule, flag); i >= 0 && !insideQuotes(" "+rule, i) {
			word, _, _ := strings.Cut((" " + rule)[i+len(flag):], " ")
			return word
		}
	}
	return ""
}

// insideQuotes reports whether position i of a rule is within a quoted text.
func insideQuotes(rule string, i int) bool {
	quoted := false
	for j := 0; j < i; j++ {
		switch rule[j] {
		case '\\':
			j++
		case '"':
			quoted = !quoted
		}
	}
	return quoted
}

// Purpose returns what a rule of ours in the kernel's text is for.
func Purpose(rule string) string {
	_, rest, found := strings.Cut(rule, ` --comment "`+CommentPrefix)
	purpose, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return ""
	}
	return purpose
}

// WithoutPurpose is the rule without its comment, for whoever shows that
// elsewhere.
func WithoutPurpose(rule string) string {
	before, rest, found := strings.Cut(rule, `-m comment --comment "`+CommentPrefix)
	_, after, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return rule
	}
	return strings.TrimSpace(strings.TrimSpace(before) + " " + strings.TrimSpace(after))
}
