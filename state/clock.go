package state

import (
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/probe"
)

// Clock returns the current time by all clocks.
func Clock() banlist.Clock {
	return banlist.Clock{Boot: firewall.Boot(), Up: probe.Uptime(), Wall: time.Now()}
}
