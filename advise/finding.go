package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/survey"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Code     string   `json:"code"` // one of the constants below; it never changes
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`   // what was found, in one line
	Why      string   `json:"why"`    // why it matters
	Remedy   string   `json:"remedy"` // what to do
}

// Severity says how bad a finding is.
type Severity string

const (
	// Problem: the host looks protected but is not, or phones or trunks are cut off.
	Problem Severity = "problem"

	// Warning: it works now, but something unexpected will happen.
	Warning Severity = "warning"

	// Note: it may be intended.
	Note Severity = "note"
)

// rank is the order of findings by severity.
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
	DropAtInput      = "drop-at-input" // the drop is in INPUT, where containers publish ports or soon will
	Fail2banElse     = "fail2ban-elsewhere"
	Fail2banDown     = "fail2ban-down"
	Fail2banMistake  = "fail2ban-mistake" // fail2ban runs, but would not start again
	SecurityLog      = "security-log"
	LogClock         = "log-clock"       // a log is in another time zone than the host
	JailBlind        = "jail-blind"      // a jail does not count what its log has
	AsteriskConfig   = "asterisk-config" // lines that Asterisk skips
	IAX2Unlogged     = "iax2-unlogged"
	RecentTooShort   = "recent-too-short"
	PortClosed       = "port-closed"
	RTPClosed        = "rtp-closed"
	ListenerClosed   = "listener-closed" // the base rules close a listener
	TrunkUnprotected = "trunk-unprotected"
	TrunkClosed      = "trunk-closed"
	PeerBlocked      = "peer-blocked"    // a phone or trunk is blocked
	VoipblScript     = "voipbl-sh"       // the script published by VoIPBL is on this host
	OtherBlocklist   = "other-blocklist" // somebody else's rule drops the members of a set
	FreePBXBlocked   = "freepbx-blocked" // an address that FreePBX's firewall trusts is blocked
	SavedRules       = "saved-rules"     // saved rules name a set that may be missing at boot
	ExemptBanned     = "exempt-banned"   // an exempt address is banned or dropped
	SecretReadable   = "secret-readable" // every user can read the configuration, which has a secret
	StateFolder      = "state-folder"    // the state folder cannot be written to
	RunFolder        = "run-folder"      // the run folder cannot be written to
	AllowTrouble     = "allow-trouble"   // the list of "voipbl allow" is damaged or not kept
	FleetDocument    = "fleet-document"  // the document of the fleet's operator cannot be read, or the hub's is refused
	PhoneTrouble     = "phone-trouble"   // registered phones or trunks cannot be read or not be written down, or rules cannot use their set
	PBXUnwatched     = "pbx-unwatched"   // the PBX is not watched as configured
	FleetTrouble     = "fleet-trouble"   // this host and the others of the fleet do not know of each other's bans
	PBXUnproved      = "pbx-unproved"    // wrong passwords over UDP are not proved
	BothBan          = "both-ban"        // fail2ban and voipbl ban the same attackers
	NobodyBans       = "nobody-bans"     // nobody bans who guesses passwords at Asterisk
	FamilyTrouble    = "family-trouble"  // IPv4 or IPv6 alone is not protected as configured
	IPv6Left         = "ipv6-left"       // IPv6 is left alone, as configured
	DropLog          = "drop-log"        // lines of log_drops may not appear
	NotLookedAt      = "not-looked-at"
)

// Input is all that Findings needs to know.
type Input struct {
	Facts  survey.Facts
	Config config.Config
	Status *blocklist.Status
	Rules  []reach.KernelRules // the backend that voipbl uses first
	Native *nft.Ruleset        // native tables, which iptables does not show; nil if they could not be read

	// SecretFile is the configuration file, if it has a secret and every user can read it.
	SecretFile string

	// Unconnected is what "voipbl pbx connect" would mend in Asterisk's files, in sentences.
	Unconnected []string

	// Closed are the listeners that the base rules in force close.
	Closed []lockout.Closed

	// Checks has a report on each phone and trunk of this host, and Resolved the addresses of
	// trunks that are names; see Peers.
	Checks   map[netip.Prefix]blocklist.CheckReport
	Resolved map[string][]netip.Addr

	// Exempt are the exempt ones of the addresses that fail2ban has banned; see Banned.
	Exempt map[netip.Addr]exempt.Exemption
}

// Findings returns what is not as it should be: problems first, otherwise ordered by how close
// they are to voipbl itself.
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

	placesTold bool // the places in the status have findings
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

// list joins the first few words, and counts the others.
func list(all []string, few int) string {
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
