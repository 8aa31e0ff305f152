package enroll

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/voipbl/voipbl/fleet/hub"
)

// farewell is what a host needs to take back what it has said to a fleet.
type farewell struct {
	name  string // "" if it is in none
	hubs  []string
	creds []byte
}

// How long the hub may take for that. Who asks for less gets the time for one attempt.
const (
	byeAtLeast = time.Second
	byeAtMost  = 10 * time.Second
)

// bye takes back at the hub what this host has said, so that its bans end at the others. From a hub that
// does not admit this host they were taken out as it was revoked.
func (j *joining) bye(ctx context.Context) error {
	if j.was.name == "" {
		return nil
	}
	why := errors.New("it was cut short before, or fleet.hub was emptied by hand")
	if len(j.was.hubs) > 0 {
		short, cancel := context.WithTimeout(ctx, min(max(j.Wait, byeAtLeast), byeAtMost))
		defer cancel()
		why = hub.Farewell(short, hub.Options{URLs: j.was.hubs, Creds: j.was.creds, Instance: "leave", Log: slog.New(slog.DiscardHandler)})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if why != nil && !errors.Is(why, hub.ErrRefused) {
		j.note("the hub may still have the bans that this host has said (%v), and others keep them until their end: on the hub, voipbl fleet revoke %s takes them out", why, j.was.name)
	}
	return nil
}
