package agent

import (
	"cmp"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/web"
)

const (
	// sincePause is the least time between two attempts in any case.
	sincePause = 10 * time.Second

	// clockSlack: if the last attempt is further in the future than this, the clock was set
	// back.
	clockSlack = time.Minute

	// namesEvery is how often the names in allow and trunks are resolved. Dynamic DNS changes
	// about as fast.
	namesEvery = 5 * time.Minute

	// namesAgain is how soon names are resolved again while one has no known address, since a
	// list may block that friend meanwhile. The pause doubles up to namesEvery.
	namesAgain = 10 * time.Second
)

// namesAsked is when names were last resolved. The zero value means never.
type namesAsked struct {
	at    time.Time
	pause time.Duration // until the next time; 0 means namesEvery
}

func (n namesAsked) next() time.Time { return n.at.Add(cmp.Or(n.pause, namesEvery)) }

// answered notes whether a name still has no known address.
func (n *namesAsked) answered(unknown bool) {
	switch {
	case !unknown:
		n.pause = 0
	case n.pause == 0:
		n.pause = namesAgain
	default:
		n.pause = min(2*n.pause, namesEvery)
	}
}

// attempts is what the schedule needs to know of a feed. The zero value means that it was never
// fetched.
type attempts struct {
	url      config.URL   // the URL of the last attempt
	last     time.Time    // when the last attempt was
	failures int          // failed attempts in a row
	success  time.Time    // the last attempt that did not fail
	reason   fetch.Reason // why the last one failed
	other    bool         // the copy is from another source than the configured one
	mirrored bool         // the last success was by a mirror of the fleet
}

// nextFetch returns when a feed is to be fetched next: at the next time of its schedule after
// the last attempt, or sooner if that attempt failed. A time in the past means now, and only
// once, however many times were missed. network is when the host's network last changed, awake
// since when the agent has run without a gap: what was missed before is made up within a while.
func nextFetch(times feeds.Times, a attempts, now, network, awake time.Time) time.Time {
	if a.last.IsZero() || a.other || a.last.After(now.Add(clockSlack)) {
		return now
	}
	next := times.Next(a.last)
	if a.failures == 0 || feeds.HeldBack(a.reason) || a.reason == fetch.ReasonRetryLater {
		// A list that is held back is believed after three fetches by the schedule, not within
		// minutes. And a server that asks for a pause gets one.
		if next.Before(awake) {
			success := a.success
			if a.failures == 0 {
				success = a.last
			}
			return times.Missed(a.last, success, next, awake)
		}
		return next
	}
	if retry := a.last.Add(web.Pause(a.failures)); retry.Before(next) {
		next = retry
	}
	if network.After(a.last) && !now.Before(network) {
		if early := web.Later(network, a.last.Add(sincePause)); early.Before(next) {
			next = early
		}
	}
	return next
}
