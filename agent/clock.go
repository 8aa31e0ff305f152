package agent

import (
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
)

// banClock is this moment.
func banClock() banlist.Clock {
	return banlist.Clock{Boot: firewall.Boot(), Up: host.Uptime(), Wall: time.Now()}
}
