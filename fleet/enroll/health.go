package enroll

import (
	"context"

	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/state"
)

// health is what the process that talks with the hub has said of itself last, with these credentials; nil
// if nothing.
func (j *joining) health(ctx context.Context) *link.Health {
	h := j.said(ctx)
	if h == nil || h.Key != j.key.Key {
		return nil
	}
	return h
}

// said is what that process has said of itself last, with whatever credentials; nil if it never has.
func (j *joining) said(ctx context.Context) *link.Health {
	status, err := state.AskStatus(ctx, j.cfg)
	if err != nil || status == nil || status.Fleet == nil {
		return nil
	}
	return &status.Fleet.Health
}
