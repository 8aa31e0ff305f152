package survey

import (
	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/voipblsh"
)

// Facts are what was found on a machine.
type Facts struct {
	Networks  []host.Network  `json:"networks"`  // by interface, in the kernel's order
	Arrivals  *host.Arrivals  `json:"-"`         // nil if it could not be found out
	Listeners []host.Listener `json:"listeners"` // by port
	Tunnels   []host.Tunnel   `json:"tunnels"`
	Asterisk  *asterisk.Facts `json:"asterisk,omitempty"`
	PBXs      []pbx.PBX       `json:"pbxs"` // every PBX that is installed, Asterisk among them
	Firewalls []host.Owner    `json:"firewalls"`
	Fail2ban  *fail2ban.Facts `json:"fail2ban,omitempty"`
	Docker    *host.Docker    `json:"docker,omitempty"`
	XTRecent  *host.XTRecent  `json:"xt_recent,omitempty"`
	Agent     *host.Unit      `json:"agent,omitempty"` // voipbl's own

	// Saved are lines of the files that are loaded at boot which name sets, or rules of
	// voipbl's; SetsAtBoot is that voipbl's own unit makes its sets before.
	Saved      []host.SavedLine `json:"saved"`
	SetsAtBoot bool             `json:"sets_at_boot"`

	Script []voipblsh.Line `json:"script"` // what runs the published voipbl.sh

	Logins  logins.Records  `json:"logins"`
	Unknown []probe.Unknown `json:"unknown"`
}
