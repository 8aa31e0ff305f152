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
	// splayShare and maxSplay bound by how much a feed is fetched later than
	// its schedule says, so that the hosts of a fleet do not all come at once:
	// a tenth of its interval, and 15 minutes.
	splayShare = 10
	maxSplay   = 15 * time.Minute

	// sincePause is the least time between two attempts, whatever happens.
	sincePause = 10 * time.Second

	// clockSlack is by how much an attempt may lie in the future before the
	// clock must have been set back since.
	clockSlack = time.Minute

	// namesEvery is how often the names in allow and trunks are resolved: what
	// dynamic DNS is good for.
	namesEvery = 5 * time.Minute

	// namesAgain is how soon they are resolved again while nothing is known of one of
	// them: a list may block that friend meanwhile. The pause doubles up to namesEvery.
	namesAgain = 10 * time.Second
)

// namesAsked is when names were last resolved. The zero value is never.
type namesAsked struct {
	at    time.Time
	pause time.Duration // until the next time; 0 is namesEvery
}

func (n namesAsked) next() time.Time { return n.at.Add(cmp.Or(n.pause, namesEvery)) }

// answered takes note of whether nothing is known of one of them.
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

// attempts is what the schedule knows of a feed. The zero value has never been
// fetched.
type attempts struct {
	url      config.URL   // that was asked
	last     time.Time    // the last attempt
	failures int          // in a row
	reason   fetch.Reason // of the last one
	other    bool         // the copy is of another source than the configured one
}

// nextFetch tells when a feed is to be fetched next: at its next tick after the
// last attempt, or sooner if that failed. Whatever lies in the past is due now, and
// once, however many ticks were missed. network is when the host's network last
// changed.
func nextFetch(f config.Feed, a attempts, now, network time.Time, splay func(time.Duration) time.Duration) time.Time {
	if a.last.IsZero() || a.other || a.last.After(now.Add(clockSlack)) {
		return now
	}
	next := nextTick(f.Schedule, a.last, splay)
	if a.failures == 0 || feeds.HeldBack(a.reason) || a.reason == fetch.ReasonRetryLater {
		// A list that is held back is believed when it comes three times: not
		// three times within minutes. A server that asks for a pause gets it.
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

// nextTick is the next time that a schedule names after the last attempt, and the
// splay. Of "@every 4h" there is no splay: it counts from the last attempt, and
// hosts differ in that already.
func nextTick(s config.Schedule, last time.Time, splay func(time.Duration) time.Duration) time.Time {
	last = last.Local() // the zone that cron goes by
	if _, every := s.Schedule.(cron.ConstantDelaySchedule); every {
		return s.Next(last)
	}
	tick := s.Next(last)
	return tick.Add(splay(s.Next(tick).Sub(tick)))
}

// hostSplay is this host's splay of an interval: always the same, and another than
// that of other hosts.
func hostSplay(host string) func(interval time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(host))
	share := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53) // 53 bits: what a float64 holds
	return func(interval time.Duration) time.Duration {
		most := max(0, min(interval/splayShare, maxSplay))
		return time.Duration(share * float64(most)).Truncate(time.Second)
	}
}

// machineID names this host and no other (machine-id(5)); the name of the host will
// do where there is none.
func machineID() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(id))) > 0 {
		return strings.TrimSpace(string(id))
	}
	name, _ := os.Hostname()
	return name
}
