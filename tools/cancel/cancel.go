// Package cancel ends these programs when whoever has started them ends.
package cancel

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Context returns a context that ends with a signal, or when "go run", which passes on no SIGTERM,
// has ended.
func Context() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	parent := os.Getppid()
	go func() {
		for range time.Tick(time.Second) {
			if os.Getppid() != parent {
				stop()
			}
		}
	}()
	return ctx, stop
}
