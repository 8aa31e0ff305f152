package hub

import (
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
)

// listForm is how the stream of lists is to be.
func listForm() jetstream.StreamConfig {
	c := plainForm()
	c.Name = keys.Lists
	c.Description = "Lists that mirrors of the fleet have fetched for all: one message a subject. voipbl keeps it as it is."
	c.Subjects = []string{fleet.CopySubject("*"), fleet.ListSubject("*")}
	c.MaxMsgs = keys.ListMessages
	c.MaxBytes = keys.ListBytes
	c.MaxMsgSize = link.MaxCopy + headroom
	c.AllowDirect = true // so hosts read one message by its subject, and need no consumer
	return c
}
