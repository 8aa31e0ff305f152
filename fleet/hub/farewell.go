package hub

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/fleet"
)

// ErrRefused is returned if the hub does not admit this host, which can then say nothing any more.
var ErrRefused = errors.New("the hub does not admit this host")

// Hush takes back all that this host has said, and returns once the hub has it so, while [Conn.Run] runs.
// An error is why the hub may still have something.
func (c *Conn) Hush(ctx context.Context) error {
	c.Say([fleet.Slots][]fleet.Said{})
	for {
		h := c.Health()
		switch {
		case h.Synced && h.Unsaid == 0:
			return nil
		case h.Refused:
			return ErrRefused
		}
		if err := sleep(ctx, publishPoll); err != nil {
			if h.Error != "" {
				err = errors.New(h.Error)
			}
			return err
		}
	}
}

// Farewell connects as a host whose process does not run any more, and takes back all that it has said.
func Farewell(ctx context.Context, o Options) error {
	c, err := New(o)
	if err != nil {
		return err
	}
	run, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(run) // ends with run
	}()
	go func() {
		for {
			select {
			case <-c.Events(): // what others say does not matter
			case <-ended:
				return
			}
		}
	}()
	err = c.Hush(ctx)
	end()
	<-ended
	return err
}
