package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// part is something that goes on beside the loop, until its context ends.
type part struct {
	name string
	run  func(ctx context.Context, ready func()) error // calls ready once it does its work
}

// errEnded is a part that has come to its end although nobody has asked for that.
var errEnded = errors.New("it has ended")

// startParts starts all, and waits until each is ready. If one ends before the others are
// to, so do they: their context ends, and the group tells why.
func startParts(ctx context.Context, all ...part) (group *errgroup.Group, running context.Context) {
	group, running = errgroup.WithContext(ctx)
	var ready []chan struct{}
	for _, p := range all {
		begun := make(chan struct{})
		ready = append(ready, begun)
		group.Go(func() error {
			err := p.run(running, sync.OnceFunc(func() { close(begun) }))
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s: %w", p.name, errors.Join(errEnded, err))
		})
	}
	for _, begun := range ready {
		select {
		case <-begun:
		case <-running.Done():
		}
	}
	return group, running
}
