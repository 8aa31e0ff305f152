package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/web"
)

const (
	// A feed is fetched up to 1/splayShare of its interval later than its schedule says, and at
	// most maxSplay, so that a fleet's hosts do not all fetch at once.
	splayShare = 10
	maxSplay   = 15 * time.Minute

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
	reason   fetch.Reason // why the last one failed
	other    bool         // the copy is from another source than the configured one
}

// nextFetch returns when a feed is to be fetched next: at the next time of its schedule after
// the last attempt, or sooner if that attempt failed. A time in the past means now, and only
// once, however many times were missed. network is when the host's network last changed.
func nextFetch(f config.Feed, a attempts, now, network time.Time, splay func(time.Duration) time.Duration) time.Time {
	if a.last.IsZero() || a.other || a.last.After(now.Add(clockSlack)) {
		return now
	}
	next := nextTick(f.Schedule, a.last, splay)
	if a.failures == 0 || feeds.HeldBack(a.reason) || a.reason == fetch.ReasonRetryLater {
		// A list that is held back is believed after three fetches by the schedule, not within
		// minutes. And a server that asks for a pause gets one.
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

// nextTick returns the next time of a schedule after the last attempt, plus the splay. "@every
// 4h" gets no splay: it counts from the last attempt, which differs between hosts already.
func nextTick(s config.Schedule, last time.Time, splay func(time.Duration) time.Duration) time.Time {
	last = last.Local() // the time zone of cron schedules
	if _, every := s.Schedule.(cron.ConstantDelaySchedule); every {
		return s.Next(last)
	}
	tick := s.Next(last)
	return tick.Add(splay(s.Next(tick).Sub(tick)))
}

// hostSplay returns a host's splay as a function of the interval. It is always the same for one
// host, and differs between hosts.
func hostSplay(host string) func(interval time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(host))
	share := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53) // 53 bits: what a float64 holds
	return func(interval time.Duration) time.Duration {
		most := max(0, min(interval/splayShare, maxSplay))
		return time.Duration(share * float64(most)).Truncate(time.Second)
	}
}

// machineID returns this host's machine-id(5) or, where there is none, its name.
func machineID() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(id))) > 0 {
		return strings.TrimSpace(string(id))
	}
	name, _ := os.Hostname()
	return name
}
