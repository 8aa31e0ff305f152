package hub

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
)

// pause is how long it takes until the next attempt to connect: a random time, at most limit, which
// doubles with each attempt. A thousand hosts that a hub has lost come back one after the other.
type pause struct {
	least, limit, most time.Duration
}

var (
	hostPause   = pause{200 * time.Millisecond, 2 * time.Second, 10 * time.Second}
	keeperPause = pause{100 * time.Millisecond, 300 * time.Millisecond, 10 * time.Second} // hosts need what it makes
)

// settled is how long a connection has lasted that did not fail at once.
const settled = 10 * time.Second

// eager is for how long the attempts do not become fewer while nothing answers where the hub should be: that costs it
// nothing, and most hubs and networks are back by then.
const eager = 5 * time.Minute

// next returns how long to wait until the next attempt. spent is what the last one has waited without any work for a
// hub: for packets that are lost on their way.
func (p *pause) next(spent time.Duration) time.Duration {
	d := p.least + rand.N(p.limit-p.least)
	p.limit = min(2*p.limit, p.most)
	return max(d-spent, 0)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alike reports whether two errors are the same, but for numbers such as those of ports.
func alike(a, b string) bool {
	wordy := func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}
	return strings.Map(wordy, a) == strings.Map(wordy, b)
}
