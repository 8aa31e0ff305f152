package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// part is something that runs beside the loop until its context ends.
type part struct {
	name string
	run  func(ctx context.Context, ready func()) error // calls ready once it is at work
}

// errEnded says that a part has ended by itself.
var errEnded = errors.New("it has ended")

// startParts starts all parts, and waits until each is ready. If one ends by itself, the context
// of the others ends too, and the group's error says why.
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
