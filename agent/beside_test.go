package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

// TestReadyWithEach starts parts that become ready one after the other: it waits for all of them,
// in any order.
func TestReadyWithEach(t *testing.T) {
	for last := range 3 {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var parts []part
			var may [3]chan struct{}
			for i := range may {
				may[i] = make(chan struct{})
				parts = append(parts, part{"a part", func(ctx context.Context, ready func()) error {
					<-may[i]
					ready()
					ready() // once more is nothing
					<-ctx.Done()
					return ctx.Err()
				}})
			}
			started := make(chan error)
			go func() {
				group, running := startParts(ctx, parts...)
				if running.Err() != nil {
					t.Error("ended:", running.Err())
				}
				started <- nil
				started <- group.Wait()
			}()
			for i := range may {
				if i != last {
					close(may[i])
				}
			}
			synctest.Wait()
			select {
			case <-started:
				t.Errorf("READY, and the part %d is not", last)
			default:
			}
			close(may[last])
			<-started
			stop()
			if err := <-started; err != nil {
				t.Error("stopped as asked for:", err)
			}
		})
	}
}

// TestPartEnds: one of two parts ends by itself, before it is ready or later. Then both end, and
// the group's error says which part it was and why.
func TestPartEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, ready := range []bool{true, false} {
		for _, why := range []error{broken, nil} {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				group, running := startParts(t.Context(),
					part{"the first", func(ctx context.Context, ready func()) error { ready(); <-ctx.Done(); return nil }},
					part{"the second", func(_ context.Context, tell func()) error {
						if ready {
							tell()
							<-end
						}
						return why
					}},
				)
				if ready == (running.Err() != nil) {
					t.Errorf("ready %v, running: %v", ready, running.Err())
				}
				close(end)
				err := group.Wait()
				if !errors.Is(err, errEnded) || why != nil && !errors.Is(err, why) || !strings.Contains(err.Error(), "the second: ") {
					t.Errorf("ready %v: %v", ready, err)
				}
			})
		}
	}
}
