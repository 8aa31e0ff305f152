package host

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/internal/probe"
)

// SavedLine is a line of a file from which the host loads rules or sets at boot. It names a set, or
// has a chain or a comment of voipbl's.
type SavedLine struct {
	File  string   `json:"file"`
	Line  int      `json:"line"`
	Sets  []string `json:"sets"`  // sets that it matches against
	Makes string   `json:"makes"` // the set that it creates
	Ours  bool     `json:"ours"`  // it has a chain or a comment of voipbl's

	// Action says that it uses a set of fail2ban that voipbl-sets creates at boot.
	Action bool `json:"action,omitempty"`
}

// savedFiles are where hosts keep rules and sets for the next boot: netfilter-persistent and its
// plugins, iptables-apply, the guides of Debian and Ubuntu, the units of nftables and ipset, and
// ufw's files, to which admins add rules.
var savedFiles = []string{
	"/etc/iptables/*", "/etc/iptables.up.rules", "/etc/ip6tables.up.rules", "/etc/iptables.rules", "/etc/ip6tables.rules",
	"/etc/iptables.conf", "/etc/iptables.save", "/etc/network/iptables*", "/etc/network/ip6tables*",
	"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/sysconfig/ipset", "/etc/sysconfig/ipset.d/*", "/etc/sysconfig/nftables.conf",
	"/etc/nftables.conf", "/etc/nftables/*.nft", "/etc/nftables.d/*.nft",
	"/etc/ipset.conf", "/etc/ipset.up.rules", "/etc/ipset.rules", "/etc/ipset/*", "/var/lib/ipset/*",
	"/etc/ufw/before.rules", "/etc/ufw/before6.rules", "/etc/ufw/after.rules", "/etc/ufw/after6.rules", "/etc/ufw/user.rules", "/etc/ufw/user6.rules",
}

// SavedRules finds the lines of such files, below a root folder, that name a set or have a mark of
// voipbl's. It skips files that it cannot read.
func SavedRules(root string) []SavedLine {
	found := []SavedLine{}
	for _, pattern := range savedFiles {
		names, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, name := range names {
			text, err := probe.ReadFile(name)
			if err != nil {
				continue
			}
			shown := probe.ShownBelow(root, name)
			found = append(found, savedLines(shown, text)...)
		}
	}
	return found
}

func savedLines(file, text string) []SavedLine {
	var found []SavedLine
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || strings.HasPrefix(line, "add ") {
			continue
		}
		l := SavedLine{File: file, Line: n, Sets: []string{}}
		words := strings.Fields(line)
		for i, w := range words[:len(words)-1] {
			switch {
			case w == "--match-set" || w == "--set" && slices.Contains(words, "set"):
				l.Sets = append(l.Sets, words[i+1])
			case i == 0 && w == "create":
				l.Makes = words[1]
			}
		}
		l.Action = len(banrule.SetsOf(words)) > 0
		l.Ours = strings.Contains(line, "VOIPBL-") || strings.Contains(line, `"voipbl: `)
		if len(l.Sets) > 0 || l.Makes != "" || l.Ours {
			found = append(found, l)
		}
	}
	return found
}
