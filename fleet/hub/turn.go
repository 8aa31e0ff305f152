package hub

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// turn is which of a hub's URLs are tried next. One that admits this host may not lead to the stream: a relay that
// the hub has cut off admits all the same. So those behind it are tried next, and after the last one all of them.
type turn struct {
	all   []string
	tried int // so many of them
}

// left are those to be tried next, in their order.
func (t *turn) left() []string { return t.all[t.tried:] }

// admits notes the first one of those left that admits this host.
func (t *turn) admits(url string) {
	if t.tried += slices.Index(t.left(), url) + 1; t.tried == len(t.all) {
		t.tried = 0
	}
}

// again is called when one has led to the stream, or none of those left admits this host: the first one is the next.
func (t *turn) again() { t.tried = 0 }

// atOnce reports whether the others are to be tried without a pause after an error. Nobody has had any work with a
// request that nobody answers. When a hub is there again, its relays are connected with it within a second or so; a
// host that tries the hub right after the relay comes between them less often than one that tries them by turns.
func (t *turn) atOnce(err error) bool { return t.tried > 0 && errors.Is(err, nats.ErrNoResponders) }

// detour is after how long at the latest a host ends a connection by another URL than the first one, to try that
// again: a relay gets its hosts back once it leads to the hub.
const detour = 24 * time.Hour

var errDetour = errors.New("the connection is ended to try the first address of the hub again")

// detourEnds is when a detour ends: not all hosts of a relay come back at once.
func detourEnds(most time.Duration) time.Duration { return most/2 + rand.N(most/2) }
