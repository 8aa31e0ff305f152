package feeds

import (
	"crypto/sha256"
	"encoding/binary"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/voipbl/voipbl/config"
)

// This file says when a host fetches a list: at each time of its schedule, plus the host's share
// of the splay, so that the hosts of a fleet do not all ask at once. The share is always the same
// for one host and server. So the lists of one server are fetched together, over one connection,
// and put in force together.
//
// With "splay: auto" the splay is all the time until the schedule's next time, up to often: of a
// list that is fetched every four hours it only matters how often. If the next time is long away,
// as with "0 3 * * *", the schedule means that hour, and the splay is an hour.

const (
	// often is up to which interval a schedule says how often a list is fetched, and the longest
	// splay then. 10,000 hosts with the default schedule, every four hours, are 0.7 requests a
	// second.
	often = 4 * time.Hour

	// seldom is from which interval a schedule says when a list is fetched; hourSplay is the
	// splay then. 10,000 hosts are 2.8 requests a second in that hour.
	seldom    = 12 * time.Hour
	hourSplay = time.Hour

	// A fetch that was missed while the host was off is made up after a share of the fourth part
	// of its interval, and at most of hourSplay. If the copy is stale, it is at most of
	// staleSplay.
	missedShare = 4
	staleSplay  = 5 * time.Minute
)

// Times are the times at which a host fetches a list.
type Times struct {
	schedule config.Schedule
	splay    time.Duration // as configured
	share    float64       // the host's, at least 0 and less than 1
	again    float64       // the same of what was missed: hosts with one share miss the same
}

// TimesOf returns when this host fetches a feed.
func TimesOf(f config.Feed) Times { return TimesOn(thisHost(), f) }

// TimesOn is TimesOf for a host, by a text that no other host has.
func TimesOn(host string, f config.Feed) Times {
	t := Times{schedule: f.Schedule, splay: f.Splay}
	if u, err := url.Parse(string(f.URL)); f.URL != "" && err == nil {
		sum := sha256.Sum256([]byte(host + "\x00" + u.Host))
		t.share, t.again = shareOf(sum[:8]), shareOf(sum[8:])
	}
	return t
}

// shareOf makes a number from 53 random bits, which is what a float64 holds.
func shareOf(random []byte) float64 {
	return float64(binary.BigEndian.Uint64(random)>>11) / (1 << 53)
}

// thisHost returns this host's machine-id(5) and name: hosts that are copies of one image may have
// the same machine-id.
var thisHost = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/etc/machine-id")
	name, _ := os.Hostname()
	return strings.TrimSpace(string(id)) + name
})

// Next returns the first of the times after one. "@every 4h" has no splay: it counts from the
// last attempt, which differs between hosts already.
func (t Times) Next(after time.Time) time.Time {
	after = after.Local() // the time zone of cron schedules
	tick := t.schedule.Next(after)
	if _, every := t.schedule.Schedule.(cron.ConstantDelaySchedule); every {
		return tick
	}
	if before := t.before(after); !before.IsZero() {
		if at := before.Add(t.delay(tick.Sub(before))); at.After(after) {
			return at
		}
	}
	return tick.Add(t.delay(t.schedule.Next(tick).Sub(tick)))
}

// before returns the last time of the schedule up to one, zero if it was longer ago than any
// splay.
func (t Times) before(now time.Time) time.Time {
	most := often
	if t.splay != config.SplayAuto {
		most = t.splay
	}
	for back := time.Minute; ; back *= 4 {
		back = min(back, most)
		if at := t.schedule.Next(now.Add(-back)); !at.IsZero() && !at.After(now) {
			for next := t.schedule.Next(at); !next.IsZero() && !next.After(now); next = t.schedule.Next(next) {
				at = next
			}
			return at
		}
		if back >= most {
			return time.Time{}
		}
	}
}

// delay is the host's share of the splay after a time of the schedule, which is followed by the
// next after interval. It is always shorter than that.
func (t Times) delay(interval time.Duration) time.Duration {
	most := t.splay
	switch {
	case most == config.SplayAuto && interval >= seldom:
		most = hourSplay
	case most == config.SplayAuto:
		most = often
	}
	return part(t.share, min(most, interval))
}

func part(share float64, of time.Duration) time.Duration {
	return time.Duration(share * float64(max(0, of))).Truncate(time.Second)
}

// Missed returns when a fetch is made up that was due at a time while the agent did not run, or
// the host slept: a while after awake, so that hosts do not all ask at once that had no power or
// no network together. last was the last attempt, success the last one that succeeded.
func (t Times) Missed(last, success, due, awake time.Time) time.Time {
	most := min(due.Sub(last)/missedShare, hourSplay)
	if IsStale(success, awake, t) {
		most = min(most, staleSplay)
	}
	if t.splay != config.SplayAuto {
		most = min(most, t.splay)
	}
	return awake.Add(part(t.again, most))
}

// Patience returns until when a host relies on a mirror's word of the time from: about as long as a list is
// not stale without a fetch. It is another time on each host, so that they do not all ask the source at once
// when a mirror is gone.
func (t Times) Patience(from time.Time) time.Time {
	if interval, every := t.every(from); every {
		return from.Add((staleIntervals-1)*interval + part(t.share, interval))
	}
	for range staleIntervals {
		from = t.Next(from)
	}
	return from
}

// Apart returns a time of the schedule, moved by the host's share of an interval if the schedule itself does
// not keep hosts apart: they have taken their last copy at about the same time.
func (t Times) Apart(at time.Time) time.Time {
	if interval, every := t.every(at); every {
		return at.Add(part(t.share, min(often, interval)))
	}
	return at
}

// every returns the interval of a schedule like "@every 4h".
func (t Times) every(from time.Time) (time.Duration, bool) {
	_, every := t.schedule.Schedule.(cron.ConstantDelaySchedule)
	return t.schedule.Next(from).Sub(from), every
}

const (
	// pokeSplay is within how long hosts take a list that a mirror has just fetched, and pokeShare the part
	// of their interval that this may be at most.
	pokeSplay = time.Minute
	pokeShare = 4
)

// Poked returns when a host takes a list of which it has heard at a time that a mirror has it.
func (t Times) Poked(heard time.Time) time.Time {
	return heard.Add(part(t.again, min(pokeSplay, t.schedule.Next(heard).Sub(heard)/pokeShare)))
}
