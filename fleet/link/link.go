// Package link is what the process that talks with the hub of the fleet and the agent tell each
// other, over a socket that only root and that process's group reach: the agent gives it its
// settings, this host's own bans, and the bans of others that are in force; the process tells which
// bans of others to make and to take back, and how it is.
//
// That process reads what the network sends, so the agent trusts it no further than this: it bans
// single addresses for a limited time, so many of them, and nobody who is exempt or known here. It
// takes back only bans of the fleet. It keeps no files.
package link

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/checksum"
)

// Paths on the socket. Each is a POST:
const (
	SettingsPath = "/settings" // without a request, answered by [Settings]
	ChangePath   = "/change"   // [Seen], answered by another Seen as soon as there is one, or after ChangeWait
	OwnPath      = "/own"      // without a request, answered by [Own]
	HeldPath     = "/held"     // without a request, answered by [Held]
	OthersPath   = "/others"   // [Others], answered by [Answer]
	HealthPath   = "/health"   // [Health], without an answer
	DocumentPath = "/document" // [Document], answered by [DocumentAnswer]
	BeatPath     = "/beat"     // without a request, answered by what the agent knows of a heartbeat (package fleet/beat)

	ListsPath  = "/lists"  // [ListsQuestion], answered by [ListsAsked]
	OffersPath = "/offers" // [Offers], without an answer
	MinePath   = "/mine"   // [ListQuestion], answered by the list, compressed
	CopyPath   = "/copy/"  // and a SHA-256: the copy, compressed, or nothing if it is not to be had
)

// ChangeWait is how long the agent waits for a change before it answers.
const ChangeWait = time.Minute

// Seen is what the process knows of the agent.
type Seen struct {
	Settings string `json:"settings"` // [Settings.Serial]
	Own      uint64 `json:"own"`      // [Own.Serial]
	Status   uint64 `json:"status"`   // another one whenever this host's status may have changed
	Lists    uint64 `json:"lists"`    // [ListsAsked.Serial]
}

// Settings are what the process is to do.
type Settings struct {
	Hubs  []string `json:"hubs"`            // URLs; none: there is no fleet, and the process waits
	Creds string   `json:"creds,omitempty"` // the file "fleet.creds" (see package fleet/keys)
	Error string   `json:"error,omitempty"` // why that file cannot be read

	Publish bool `json:"publish"` // this host's bans are told to others
	Accept  bool `json:"accept"`  // those of others are made here

	Trust   []string      `json:"trust,omitempty"`   // sites and hosts whose word alone counts
	Agree   int           `json:"agree"`             // of other hosts, so many sites must agree
	Proved  bool          `json:"proved"`            // only bans of proved attackers count
	Revoked []string      `json:"revoked,omitempty"` // hosts whose word counts no more
	Longest time.Duration `json:"longest"`
	PerHost int           `json:"per_host"`
	Most    int           `json:"most"`

	// TakesDocument says that the operator's document is to be passed on.
	TakesDocument bool `json:"takes_document,omitempty"`

	// Instance tells this host from a copy of it that has the same name: another one after each boot.
	Instance string `json:"instance"`
}

// Serial is another text for other settings.
func (s Settings) Serial() string { return checksum.Of(s) }

// Own are this host's bans that others may know of: of single addresses, none of them of the fleet.
type Own struct {
	Serial uint64 `json:"serial"` // another one after each change, but for ends
	Bans   []Ban  `json:"bans"`   // the foremost ones, Settings.PerHost at most

	// Of bans of this age and older, not all are among them: others do not take those back. 0: they are all.
	Whole time.Duration `json:"whole,omitempty"`
}

// Held are the bans of others that are in force here.
type Held struct {
	Bans []Ban `json:"bans"`
}

// Ban is one of an address.
type Ban struct {
	Addr   netip.Addr    `json:"addr"`             // over IPv6, the first one of the banned /64
	Age    time.Duration `json:"age,omitempty"`    // since it was made
	Left   time.Duration `json:"left"`             // until it ends; 0: no end (of own bans only)
	Why    string        `json:"why"`              // the ban's reason, without what it is known by
	Proved bool          `json:"proved,omitempty"` // nobody has forged the attacker's packets

	// By are the hosts that say so, of a ban of others: all that the policy needs.
	By []string `json:"by,omitempty"`
}

// Limits of what the agent takes.
const (
	MostInRequest = 500
	MaxBy         = 8
	MaxWhy        = 64
	MaxTells      = 20
)

// Others asks for changes of the bans of others.
type Others struct {
	Add    []Ban        `json:"add,omitempty"`
	Remove []netip.Addr `json:"remove,omitempty"`
}

// Answer is the result of Others.
type Answer struct {
	Refused []Refusal `json:"refused,omitempty"`
	Problem string    `json:"problem,omitempty"` // why changes may not be in force, or are lost at a boot
	Undone  bool      `json:"undone,omitempty"`  // nothing was done, because of Problem: it is to be asked for again
}

// Why a ban is refused.
const (
	Exempt = "exempt" // never blocked here
	Phone  = "phone"  // a phone is registered from there
	Veto   = "veto"   // somebody has taken the ban back here, less than a day ago
	Full   = "full"   // as many as there may be
	Odd    = "odd"    // none that the fleet can have

	Unknown = "unknown" // the agent cannot read where phones are registered
)

// Refusal is a ban that was not made.
type Refusal struct {
	Addr netip.Addr `json:"addr"`
	Why  string     `json:"why"`
}

// Document is the operator's document, as it came from the hub. The process that passes it on does not
// understand it.
type Document struct {
	Signed []byte `json:"signed"`
}

// DocumentAnswer is the result of Document.
type DocumentAnswer struct {
	Serial  uint64 `json:"serial"`            // of the one that counts now
	Refused string `json:"refused,omitempty"` // why the one that was sent does not
	Problem string `json:"problem,omitempty"` // what could not be done; the rest was, unless Undone
	Undone  bool   `json:"undone,omitempty"`  // nothing was done: it is to be sent again
}

// Health is how the process is.
type Health struct {
	Since     time.Time      `json:"since"`              // when it was started
	Name      string         `json:"name,omitempty"`     // this host's, as its credentials say
	Key       string         `json:"key,omitempty"`      // the public one of these credentials
	Hub       string         `json:"hub,omitempty"`      // the one that it is connected to
	Connected time.Time      `json:"connected,omitzero"` // since when; zero: it is not
	Synced    bool           `json:"synced"`             // it has read all that the hub has
	Error     string         `json:"error,omitempty"`    // why it is not connected, or cannot publish
	Refused   bool           `json:"refused,omitempty"`  // the hub does not admit this host: it is revoked, or its credentials have ended
	Twin      time.Time      `json:"twin,omitzero"`      // when another host last spoke by this host's name
	Ends      time.Time      `json:"ends,omitzero"`      // when the credentials end; zero: never
	Sequence  uint64         `json:"sequence"`           // of the last message that it has read
	Hosts     int            `json:"hosts"`              // others that have bans
	Heard     int            `json:"heard"`              // bans that others have said
	Believed  int            `json:"believed"`           // those that count here
	Unsaid    int            `json:"unsaid"`             // own bans that the hub does not have yet
	Ignored   uint64         `json:"ignored"`            // messages that are not understood
	Left      map[string]int `json:"left,omitempty"`     // believed bans that are not made here, by the words for why
	Clock     time.Duration  `json:"clock"`              // how far this host's clock is ahead of the hub's
	Uncounted bool           `json:"uncounted"`          // the hub has a document of the operator, and no key here by which it counts
}

// Reported is the health that the agent was told last.
type Reported struct {
	At     time.Time `json:"at"`
	Health Health    `json:"health"`
}
