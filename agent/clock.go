package agent

import (
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/firewall"
)

// banClock is this moment.
func banClock() banlist.Clock {
	return banlist.Clock{Boot: firewall.Boot(), Up: uptime(), Wall: time.Now()}
}
