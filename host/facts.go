// Package host looks at the machine that voipbl runs on: its networks, what
// listens on it, which PBX it is, which other programs look after its firewall. It
// is what "voipbl setup" proposes from and "voipbl doctor" looks through.
//
// It only looks: nothing is changed, no daemon is asked for more than it tells
// everybody, and what cannot be found out is absent, with the reason among
// Unknown. What the firewall's rules are is not its business, but that of package
// firewall.
package host

import (
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/voipblsh"
)

// Facts are what was found on a machine.
type Facts struct {
	Networks  []Network  `json:"networks"`  // by interface, in the kernel's order
	Arrivals  *Arrivals  `json:"-"`         // nil if it could not be found out
	Listeners []Listener `json:"listeners"` // by port
	Tunnels   []Tunnel   `json:"tunnels"`
	Asterisk  *Asterisk  `json:"asterisk,omitempty"`
	PBXs      []PBX      `json:"pbxs"` // every PBX that is installed, Asterisk among them
	Firewalls []Owner    `json:"firewalls"`
	Fail2ban  *Fail2ban  `json:"fail2ban,omitempty"`
	Docker    *Docker    `json:"docker,omitempty"`
	XTRecent  *XTRecent  `json:"xt_recent,omitempty"`
	Agent     *Unit      `json:"agent,omitempty"` // voipbl's own

	// Saved are lines of the files that are loaded at boot which name sets, or rules of
	// voipbl's; SetsAtBoot is that voipbl's own unit makes its sets before.
	Saved      []SavedLine `json:"saved"`
	SetsAtBoot bool        `json:"sets_at_boot"`

	Script []voipblsh.Line `json:"script"` // what runs the published voipbl.sh

	Logins  logins.Records  `json:"logins"`
	Unknown []probe.Unknown `json:"unknown"`
}
