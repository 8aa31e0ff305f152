package survey

import (
	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/engines"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/voipblsh"
)

// Facts are what was found on this machine.
type Facts struct {
	Networks  []host.Network  `json:"networks"`  // by interface, in the kernel's order
	Arrivals  *host.Arrivals  `json:"-"`         // nil if unknown
	Listeners []host.Listener `json:"listeners"` // by port
	Tunnels   []host.Tunnel   `json:"tunnels"`
	Asterisk  *asterisk.Facts `json:"asterisk,omitempty"`
	PBXs      []engines.PBX   `json:"pbxs"` // every installed PBX, Asterisk among them
	Firewalls []host.Owner    `json:"firewalls"`
	Fail2ban  *fail2ban.Facts `json:"fail2ban,omitempty"`
	Docker    *host.Docker    `json:"docker,omitempty"`
	XTRecent  *host.XTRecent  `json:"xt_recent,omitempty"`
	Agent     *host.Unit      `json:"agent,omitempty"` // the unit of voipbl's agent

	// Saved are lines of files loaded at boot that name sets or hold voipbl's rules. SetsAtBoot
	// says that voipbl's own unit creates its sets before those files are loaded.
	Saved      []host.SavedLine `json:"saved"`
	SetsAtBoot bool             `json:"sets_at_boot"`

	Script []voipblsh.Line `json:"script"` // what runs the published voipbl.sh

	Logins  logins.Records  `json:"logins"`
	Unknown []probe.Unknown `json:"unknown"`
}
