// Package link is what the watcher of the PBX and the agent tell each other, over a socket that only
// root and the watcher's group reach: the agent gives the watcher its settings, with what phones are known; the watcher
// tells the agent of phones, of attackers to ban, and how it is.
//
// The watcher reads what attackers have written, so the agent trusts it no further than that: it
// bans nobody who is exempt, and believes only what [Health.Clean] and its like let through.
package link

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/pbx"
)

// Paths on the socket: for [Settings], without a request; for [Health], without an answer; and for
// [Serial], answered by a [Change] as soon as there is one, or by one without news after ChangeWait.
const (
	SettingsPath = "/settings"
	HealthPath   = "/health"
	ChangePath   = "/change"
)

// ChangeWait is how long the agent waits for a change before it answers.
const ChangeWait = time.Minute

// Serial is what the watcher knows of the agent.
type Serial struct {
	Serial  string `json:"serial"`   // see [Settings.Serial]
	NextBan uint64 `json:"next_ban"` // as in Settings or the last Change
}

// Change is what the watcher is to know.
type Change struct {
	Serial
	Banned []netip.Prefix `json:"banned,omitempty"` // since: there are no phones any more
	Missed bool           `json:"missed,omitempty"` // more may have been banned
}

// Settings are what the watcher is to do.
type Settings struct {
	HEP         netip.AddrPort `json:"hep,omitzero"` // where the PBX copies its SIP messages to; zero: it does not
	HEPPassword string         `json:"hep_password,omitempty"`

	AMI       netip.AddrPort `json:"ami,omitzero"` // Asterisk's manager interface; zero: not used
	AMISecret string         `json:"ami_secret,omitempty"`
	RunsAs    string         `json:"runs_as,omitempty"` // the number of the user that runs Asterisk; "" is "asterisk"

	Bans   bool    `json:"bans"`             // attackers are banned
	Trust  bool    `json:"trust"`            // where the PBX is registered is told of
	Phones []Phone `json:"phones,omitempty"` // those that are known
	Unread bool    `json:"unread,omitempty"` // it is not known whether these are all
	// NextBan is the number of the first ban that Phones may not take into account.
	NextBan uint64 `json:"next_ban"`
	Traps   Traps  `json:"traps"`
}

// Serial is another text for other settings. The phones and bans do not count.
func (s Settings) Serial() string {
	s.Phones, s.Unread, s.NextBan = nil, false, 0
	return checksum.Of(s)
}

// Phone is one that has proved a password.
type Phone struct {
	Addr      netip.Addr `json:"addr"`
	Account   string     `json:"account"`
	Transport string     `json:"transport"`
	Since     time.Time  `json:"since"`
	Until     time.Time  `json:"until"`
}

// Traps are what no phone asks for.
type Traps struct {
	Extensions []string `json:"extensions,omitempty"`
	Accounts   []string `json:"accounts,omitempty"`
	Agents     []string `json:"agents,omitempty"`
}

// Health is how the watcher is.
type Health struct {
	Since time.Time `json:"since"` // when it was started
	HEP   *HEP      `json:"hep,omitempty"`
	AMI   *AMI      `json:"ami,omitempty"`
	Bans  uint64    `json:"bans"` // that it has asked for

	// Waiting is how many bans wait, and Why the agent has put them off.
	Waiting int    `json:"waiting"`
	Why     string `json:"waiting_why,omitempty"`

	Tells []Tell `json:"tells"` // the latest things that an admin should know
}

// Reported is the health that the agent was told last.
type Reported struct {
	At     time.Time `json:"at"`
	Health Health    `json:"health"`
}

// HEP is how it is with the copies of SIP messages.
type HEP struct {
	Packets  uint64    `json:"packets"`         // SIP messages
	WrongKey uint64    `json:"wrong_key"`       // datagrams without the right password
	Damaged  uint64    `json:"damaged"`         // datagrams that are no HEP3
	Foreign  uint64    `json:"foreign"`         // of Packets: those that this host has neither sent nor got, which count for nothing
	Lost     uint64    `json:"lost"`            // datagrams that came too fast
	Last     time.Time `json:"last,omitzero"`   // when a message came that is not foreign
	Missed   uint64    `json:"missed"`          // SIP requests that the manager interface has told of since the PBX ceased to copy; 0 if it has not
	Error    string    `json:"error,omitempty"` // why it does not listen
}

// AMI is how it is with the manager interface.
type AMI struct {
	Connected time.Time `json:"connected,omitzero"` // since when; zero: it is not
	Events    uint64    `json:"events"`
	Dropped   uint64    `json:"dropped"` // events that Asterisk cannot have written
	Error     string    `json:"error,omitempty"`
}

// Tell is something that an admin should know.
type Tell struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Limits of what the agent takes from the watcher.
const (
	MaxTells = 20
	maxText  = 300
)

// Clean returns the health as it may be shown: the texts may be those of attackers, by a watcher
// that they have taken over.
func (h Health) Clean() Health {
	h.Tells = h.Tells[:min(len(h.Tells), MaxTells)]
	tells := make([]Tell, 0, len(h.Tells))
	for _, t := range h.Tells {
		tells = append(tells, Tell{t.At, line(t.Text)})
	}
	h.Tells, h.Why = tells, line(h.Why)
	if h.HEP != nil {
		own := *h.HEP
		own.Error = line(own.Error)
		h.HEP = &own
	}
	if h.AMI != nil {
		own := *h.AMI
		own.Error = line(own.Error)
		h.AMI = &own
	}
	return h
}

// line returns a text as one line of printable characters.
func line(s string) string { return pbx.Printable(s, maxText) }

// User is whom the watcher runs as.
const User = "voipbl-pbx"

// AMIUser is voipbl's user of Asterisk's manager interface.
const AMIUser = "voipbl"
