package hub

import (
	"context"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
)

// Beat sends a heartbeat (see package fleet/beat). It returns at once. While there is no connection, nothing
// is sent later in its place: the next one says what is true then. Only one goroutine may call it.
func (c *Conn) Beat(text []byte) {
	select {
	case <-c.beats: // one that was not sent yet
	default:
	}
	select {
	case c.beats <- text:
	default: // nobody else fills it
	}
}

// forgetBeat takes out what was to be sent before there was a connection.
func (c *Conn) forgetBeat() {
	select {
	case <-c.beats:
	default:
	}
}

// beat sends heartbeats until the connection ends.
func (s *session) beat(ctx context.Context) error {
	subject := beat.Subject(fleet.Name(s.member.name))
	for {
		select {
		case text := <-s.beats:
			if err := s.nc.Publish(subject, text); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
