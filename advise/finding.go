// Package advise makes sense of what is known about a host: Findings tells what is not
// as it should be, Propose a configuration that fits.
//
// It is what "voipbl doctor" and "voipbl setup" say, and is pure: facts come in from
// package host (the machine), agent (how voipbl stands) and firewall (the kernel's
// rules), and words go out. It looks at nothing by itself, so that the same facts give
// the same advice everywhere. It names what is certain; of what is unclear it says
// nothing.
package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
)

// Finding is something that is not as it should be.
type Finding struct {
	Code     string   `json:"code"` // one of the constants below; it never changes
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`   // what was found, in a line
	Why      string   `json:"why"`    // why it matters
	Remedy   string   `json:"remedy"` // what to do
}

// Severity tells what is wrong from what is worth a look.
type Severity string

const (
	// Problem is protection that is not there although it looks so, or phones and
	// trunks that are cut off.
	Problem Severity = "problem"

	// Warning is what works now, and will surprise somebody.
	Warning Severity = "warning"

	// Note is what is as it should be, if somebody means it so.
	Note Severity = "note"
)

// rank is the order in which findings are told.
var rank = map[Severity]int{Problem: 0, Warning: 1, Note: 2}

// The codes of findings.
const (
	NotProtected     = "not-protected"
	StaleFeed        = "stale-feed"
	FeedTrouble      = "feed-trouble"
	FrozenFeed       = "frozen-feed"
	UnresolvedName   = "unresolved-name"
	SetChanged       = "set-changed"
	BanTrouble       = "ban-trouble"
	RulesNotAsSet    = "rules" // the rules are not as configured, and why
	RulesDrift       = "rules-drift"
	PendingTrial     = "pending-trial"
	AgentTrouble     = "agent-trouble"
	AgentNotRunning  = "agent-not-running"
	AgentNoMounts    = "agent-no-mounts"
	AgentNotAtBoot   = "agent-not-at-boot"
	LoginsUnseen     = "logins-unseen"
	ConfigRefused    = "config-refused"
	OtherBackend     = "other-backend"
	IPv6Open         = "ipv6-open"
	DockerBypass     = "docker-bypass"
	ShadowedRule     = "shadowed-rule"
	OtherFirewall    = "other-firewall"
	DropAtInput      = "drop-at-input" // where containers have ports, or will have some
	Fail2banElse     = "fail2ban-elsewhere"
	Fail2banDown     = "fail2ban-down"
	Fail2banMistake  = "fail2ban-mistake" // it runs, and would not start again
	SecurityLog      = "security-log"
	LogClock         = "log-clock"       // a log in another time zone than the host
	JailBlind        = "jail-blind"      // a jail does not see what its log has
	AsteriskConfig   = "asterisk-config" // lines that Asterisk skips
	IAX2Unlogged     = "iax2-unlogged"
	RecentTooShort   = "recent-too-short"
	PortClosed       = "port-closed"
	RTPClosed        = "rtp-closed"
	ListenerClosed   = "listener-closed" // to anybody who reaches it otherwise
	TrunkUnprotected = "trunk-unprotected"
	TrunkClosed      = "trunk-closed"
	PeerBlocked      = "peer-blocked"    // a phone or trunk
	VoipblScript     = "voipbl-sh"       // the script that VoIPBL publishes
	OtherBlocklist   = "other-blocklist" // a set of others whose members a rule drops
	FreePBXBlocked   = "freepbx-blocked" // whom FreePBX's firewall trusts
	SavedRules       = "saved-rules"     // that are loaded at boot, or would be
	ExemptBanned     = "exempt-banned"   // by fail2ban
	SecretReadable   = "secret-readable" // the configuration, by every user
	StateFolder      = "state-folder"    // that cannot be written to
	RunFolder        = "run-folder"      // likewise
	AllowTrouble     = "allow-trouble"   // with the list of "voipbl allow"
	FamilyTrouble    = "family-trouble"  // IPv4 or IPv6 alone is not protected as configured
	IPv6Left         = "ipv6-left"       // alone, as configured
	DropLog          = "drop-log"        // whose lines may not appear
	NotLookedAt      = "not-looked-at"
)

// Input is all that findings are made from.
type Input struct {
	Facts  host.Facts
	Config config.Config
	Status *blocklist.Status
	Rules  []reach.KernelRules // the backend that voipbl uses first
	Native *nft.Ruleset        // the tables that iptables does not show; nil if they could not be read

	// SecretFile is the configuration, if it has a secret in it and every user may read it.
	SecretFile string

	// Closed are the listeners that the base rules in force close.
	Closed []lockout.Closed

	// Checks are what is known about the phones and trunks of this host, and Resolved
	// the addresses that the names among the trunks have; see Peers.
	Checks   map[netip.Prefix]blocklist.CheckReport
	Resolved map[string][]netip.Addr

	// Exempt are those whom fail2ban says it has banned and who are exempt; see Banned.
	Exempt map[netip.Addr]exempt.Exemption
}

// Findings are what is not as it should be: problems first, and else in the order of
// how near they are to voipbl itself.
func Findings(in Input) []Finding {
	d := &doctor{Input: in}
	d.state()
	d.secret()
	d.agent()
	d.rules()
	d.fail2ban()
	d.exemptBanned()
	d.savedRules()
	d.otherLists()
	d.dropLog()
	d.pbx()
	d.friends()
	d.freePBX()
	d.closed()
	for _, u := range in.Facts.Unknown {
		d.note(NotLookedAt, Warning, orElse(u.Remedy, "mend it, and run \"voipbl doctor\" again"),
			"what is wrong there is not found", "%s could not be looked at: %s", u.What, u.Error)
	}
	slices.SortStableFunc(d.found, func(a, b Finding) int { return rank[a.Severity] - rank[b.Severity] })
	return d.found
}

// doctor collects findings.
type doctor struct {
	Input
	found []Finding

	placesTold bool // of the places in the status there are findings
}

func (d *doctor) note(code string, s Severity, remedy, why, format string, args ...any) {
	text := problem.OneLine(fmt.Sprintf(format, args...))
	if d.Status != nil {
		remedy = d.Status.Mended(remedy)
	}
	d.found = append(d.found, Finding{code, s, text, why, remedy})
}

// base reports whether the kernel has the base rules.
func (d *doctor) base() bool { return d.Status.Rules.Base == rules.BaseOn }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// list names the first few of many.
func list(all []string, few int) string {
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
