package manpage

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// note is what a command's page says beside what cobra knows: about a file or an
// environment variable, and in the pages of which verbs. voipbl(8) has them all.
type note struct {
	name, text string
	verbs      []string
}

// Those who look at the state folder, and those who wait for other processes there.
var (
	withState = []string{"sync", "check", "exempt", "ban", "unban", "bans", "phones", "allow", "disallow", "allowed", "status", "top", "feeds", "run", "firewall", "report", "setup", "doctor"}
	withLocks = []string{"sync", "ban", "unban", "allow", "disallow", "status", "run", "reload", "firewall", "remove", "report", "setup", "doctor"}
)

// reference is the commented configuration that comes with the program.
const reference = "/usr/share/voipbl/voipbl.yaml"

var files = []note{
	{"/etc/voipbl/voipbl.yaml", "The configuration; see voipbl.yaml(5). Without it the defaults hold.",
		append([]string{"reload", "config", "migrate", "remove", "pbx", "fleet"}, withState...)},
	{reference, "A commented configuration with every key and its default. Nothing reads it.", []string{"config", "setup"}},
	{"/etc/voipbl/blocklist.d", "Lists of your own, one address, network or range to a line. What follows an address on its line is a comment.",
		[]string{"sync", "check", "run", "setup"}},
	{"/var/lib/voipbl", "What outlives a boot: the last good copy of each list, the bans, the registered phones, what is allowed by hand, the rules that were confirmed. The key state_dir names another folder.", withState},
	{"/run/voipbl", "Locks, and the socket of a running agent. The key run_dir names another folder.", withLocks},
	{"/etc/default/voipbl", "The environment of voipbl.service, such as HTTPS_PROXY. It need not be there.", []string{"run"}},
	{"voipbl.service", "The agent, \"voipbl run\", as a unit of systemd(1).", []string{"run", "reload"}},
	{"voipbl-pbx.service", "The unit that watches the PBX, \"voipbl pbx run\", as a user without rights.", []string{"pbx", "run"}},
	{"voipbl-fleet.service", "The unit that shares bans with the fleet, \"voipbl fleet run\", as a user without rights.", []string{"fleet", "run"}},
	{"voipbl-sets.service", "The unit that puts the sets in place early at boot, before rules that name them are loaded.", []string{"run"}},
}

var environment = []note{
	{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "The proxy to ask servers through, and for which hosts to use none. The agent's stands in /etc/default/voipbl.", []string{"sync", "run", "report", "setup"}},
	{"SSL_CERT_FILE, SSL_CERT_DIR", "The certificates of authorities to trust, instead of the system's.", []string{"sync", "run", "report", "setup"}},
	{"NO_COLOR", "If it is not empty, nothing is coloured.", []string{"check", "exempt", "status", "firewall", "setup", "doctor"}},
	{"TZ", "The time zone of times that are shown and of schedules, instead of the host's.", []string{"run", "status", "bans", "phones", "allow", "allowed"}},
	{"GOMEMLIMIT", "How much memory to use before memory is reclaimed more often, such as 32MiB. The agent's default is 64MiB, and more for lists of more than 650,000 entries; other commands have none. Nothing fails above it.", nil},
}

// helpVerb is all that the manual says about the verb help.
const helpVerb = `"voipbl help" COMMAND shows a short form of these pages, as COMMAND --help does.`

// exitStatus is voipbl(8)'s; each command's page says what it means there.
const exitStatus = `0 done; 1 not done, or the answer is no; 2 usage or configuration; 3 the host is
protected, but something is not as it should be. Each command's page says what
that means there.`

// others are pages that are not ours.
var others = []struct {
	page  string
	verbs []string
}{
	{"voipbl.yaml(5)", files[0].verbs},
	{"ipset(8)", []string{"sync", "check", "top", "feeds", "migrate", "remove"}},
	{"iptables(8)", []string{"check", "firewall", "migrate", "remove"}},
	{"fail2ban-client(1)", []string{"ban", "unban", "report", "exempt", "allow"}},
	{"systemctl(1)", []string{"run", "reload"}},
}

// concerns tells whether something with these verbs belongs into a command's page.
func concerns(cmd *cobra.Command, verbs []string) bool {
	words := strings.Fields(cmd.CommandPath())
	return len(words) == 1 || slices.Contains(verbs, words[1])
}

func notesOf(cmd *cobra.Command, all []note) []note {
	var some []note
	for _, n := range all {
		if concerns(cmd, n.verbs) {
			some = append(some, n)
		}
	}
	return some
}

func filesOf(cmd *cobra.Command) []note { return notesOf(cmd, files) }

func environmentOf(cmd *cobra.Command) []note { return notesOf(cmd, environment) }

func othersSeeAlso(cmd *cobra.Command) []string {
	var pages []string
	for _, o := range others {
		if concerns(cmd, o.verbs) {
			pages = append(pages, o.page)
		}
	}
	return pages
}
