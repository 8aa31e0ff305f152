package fail2ban

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/shell"
)

const (
	// maxTagRounds is how often tags are replaced, since a tag's value may contain tags:
	// "f2b-<name>". fail2ban itself stops after 25 rounds (MAX_TAG_REPLACE_COUNT of
	// server/action.py).
	maxTagRounds = 25

	// maxBanText limits how long the text may become.
	maxBanText = 64 << 10
)

// resolveTags replaces tags by the action's own properties, those of the family first, as fail2ban
// does before it runs the text. Tags whose value differs from ban to ban, such as "<ip>", are left.
func resolveTags(text string, properties map[string]string, family string) string {
	for range maxTagRounds {
		changed := false
		next := shell.Tag().ReplaceAllStringFunc(text, func(tag string) string {
			name := tag[1 : len(tag)-1]
			for _, p := range []string{name + "?family=" + family, name} {
				if v, ok := properties[p]; ok && v != tag && !isBanTag(name) {
					changed = true
					return v
				}
			}
			return tag
		})
		if !changed || len(next) > maxBanText {
			break
		}
		text = next
	}
	return text
}

// isBanTag reports whether a tag stands for what is banned: "<ip>", "<ip-rev>", "<F-ID>".
func isBanTag(name string) bool {
	return name == "ip" || strings.HasPrefix(name, "ip-") || name == "fid" || strings.HasPrefix(name, "F-")
}

// namesBanned reports whether a command gets what is banned as an argument.
func namesBanned(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.ContainsFunc(shell.Tag().FindAllStringSubmatch(w, -1), func(m []string) bool { return isBanTag(m[1]) })
	})
}

// classifyAction finds out, from the text and properties of an action, where it puts a banned
// address. The first command that puts it anywhere counts.
func classifyAction(name string, properties map[string]string) Action {
	a := Action{Name: name, Into: IntoOther}
	a.Into, a.Target = banTarget(resolveTags(properties["actionban"], properties, "inet4"), "inet4")
	if into, target := banTarget(resolveTags(properties["actionban"], properties, "inet6"), "inet6"); into == a.Into && target != a.Target {
		a.Target6 = target
	}
	return a
}

// banTarget finds where the commands of a ban put the address.
func banTarget(text, family string) (Into, string) {
	for _, c := range shell.Commands(text) {
		if into, target := commandTarget(c, family); into != IntoOther {
			return into, target
		}
	}
	return IntoOther, ""
}

// commandTarget finds where one command puts the address. The address is among its words or in its
// input: "restore" reads commands from there, one per line.
func commandTarget(c shell.Command, family string) (Into, string) {
	program, args := filepath.Base(c.Words[0]), c.Words[1:]
	restores := strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(program, "-nft"), "-legacy"), "tables-restore")
	switch {
	case program == "ipset" && slices.ContainsFunc(args, func(a string) bool { return a == "restore" || a == "-R" || a == "--restore" }),
		program == "nft" && (slices.Contains(args, "-") || slices.Contains(args, "/dev/stdin")):
		return linesTarget(program, c.Stdin, family)
	case restores || strings.HasSuffix(program, "tables-nft-restore") || strings.HasSuffix(program, "tables-legacy-restore"):
		return linesTarget("iptables", c.Stdin, family)
	case namesBanned(c.Words):
		return wordsTarget(program, args, family)
	}
	return IntoOther, ""
}

// linesTarget finds the first line that puts the address somewhere.
func linesTarget(program, text, family string) (Into, string) {
	for line := range strings.Lines(text) {
		args := strings.Fields(line)
		if !namesBanned(args) {
			continue
		}
		if into, target := wordsTarget(program, args, family); into != IntoOther {
			return into, target
		}
	}
	return IntoOther, ""
}

// wordsTarget finds where a program puts the address among its arguments.
func wordsTarget(program string, args []string, family string) (Into, string) {
	switch program {
	case "voipbl":
		if slices.Contains(args, "ban") {
			return IntoVoipbl, ""
		}
	case "ipset":
		return intoIf(IntoSet, argumentOf(args, "add", "-A", "-add", "--add"))
	case "iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy":
		return intoIf(IntoChain, argumentOf(args, "-I", "-A", "--insert", "--append"))
	case "nft":
		return nftTarget(args)
	case "firewall-cmd":
		return firewalldTarget(args)
	case "ufw":
		// At any position, the rule goes into ufw's own chain.
		if family == "inet6" {
			return IntoChain, "ufw6-user-input"
		}
		return IntoChain, "ufw-user-input"
	}
	return IntoOther, ""
}

// intoIf returns the kind if there is a target. An unresolved tag is no target.
func intoIf(into Into, target string) (Into, string) {
	if target == "" || strings.ContainsAny(target, "<>$`") {
		return IntoOther, ""
	}
	return into, target
}

// argumentOf returns the word after the first of some verbs.
func argumentOf(args []string, verbs ...string) string {
	for i, a := range args {
		if slices.Contains(verbs, a) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// nftFamilies may stand before the name of a table; the default is "ip" (nft(8)).
var nftFamilies = []string{"ip", "ip6", "inet", "arp", "bridge", "netdev"}

// nftTarget parses "nft add element inet f2b-table addr-set-NAME { <ip> }". A rule for each address
// is in nftables too, but in no set.
func nftTarget(args []string) (Into, string) {
	// Some configurations quote the whole command.
	args = strings.Fields(strings.Join(args, " "))
	i := slices.IndexFunc(args, func(a string) bool { return a == "add" || a == "insert" || a == "create" })
	if i < 0 || i+2 >= len(args) {
		return IntoOther, ""
	}
	what, rest := args[i+1], args[i+2:]
	family := "ip"
	if slices.Contains(nftFamilies, rest[0]) {
		family, rest = rest[0], rest[1:]
	}
	switch {
	case what == "element" && len(rest) >= 2:
		return intoIf(IntoNFTables, strings.Join([]string{family, rest[0], rest[1]}, " "))
	case what == "rule":
		return IntoNFTables, ""
	}
	return IntoOther, ""
}

// firewalldTarget parses "firewall-cmd --direct --add-rule ipv4 filter CHAIN …", which firewalld
// passes to iptables. firewalld puts its rich rules and own sets into nftables or iptables,
// depending on its configuration.
func firewalldTarget(args []string) (Into, string) {
	i := slices.Index(args, "--add-rule")
	if !slices.Contains(args, "--direct") || i < 0 || i+3 >= len(args) {
		return IntoOther, ""
	}
	return intoIf(IntoChain, args[i+3])
}

// Action says where an action of a jail puts a banned address.
type Action struct {
	Name string `json:"name"` // such as iptables-multiport
	Into Into   `json:"into"`
	// Target is the name of the set or chain, or "FAMILY TABLE SET" for nftables.
	Target string `json:"target,omitempty"`
	// Target6 is the target for IPv6, if that differs.
	Target6 string `json:"target6,omitempty"`
}

// Into is the kind of place that a ban goes into.
type Into string

const (
	IntoSet      Into = "ipset"
	IntoChain    Into = "iptables"
	IntoNFTables Into = "nftables"
	IntoVoipbl   Into = "voipbl" // "voipbl ban"
	IntoOther    Into = "other"  // a mail, a report, or something unknown
)
