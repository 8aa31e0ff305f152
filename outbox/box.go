package outbox

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/internal/web"
)

const (
	// maxQueue bounds what waits. At the usual pace of 60 an hour it takes 17 hours to
	// send, and what is older than a day is not sent.
	maxQueue = 1000

	// once is for how long an address is not reported again: VoIPBL knows it.
	once = 24 * time.Hour

	// worth is how long a report waits at most. An address changes hands: what attacked
	// yesterday is no news.
	worth = 24 * time.Hour

	// worthUnban is that of an unban, which puts something wrong right.
	worthUnban = 7 * 24 * time.Hour

	// standing is for how long it is remembered that an address was reported, so that it
	// can be unbanned; and how many are. The number is beyond what can be sent within
	// once at the highest pace, 600 an hour.
	standing    = 30 * 24 * time.Hour
	maxStanding = 20_000

	// window is what Limits.PerHour counts in.
	window = time.Hour
)

// Kind is what is told about an address.
type Kind string

// The kinds, by the words of VoIPBL's own form.
const (
	Ban   Kind = "ban"   // it has attacked this host
	Unban Kind = "unban" // this host has let it go again
)

// Entry is something that waits to be sent.
type Entry struct {
	Addr  netip.Addr `json:"address"`
	Kind  Kind       `json:"kind"`
	Count int        `json:"count"` // of failures that led to it
	At    time.Time  `json:"at"`
	Tries int        `json:"tries,omitempty"`
}

// Box is what waits, and what is remembered of what was sent. The zero value is empty.
type Box struct {
	Queue []Entry `json:"queue"` // in order of time

	// Standing are addresses that VoIPBL was told of, and when. Withdrawn are those of
	// the last day that it was told to forget; the time is that of the report.
	Standing  map[netip.Addr]time.Time `json:"standing,omitempty"`
	Withdrawn map[netip.Addr]time.Time `json:"withdrawn,omitempty"`

	Requests  []time.Time `json:"requests,omitempty"`   // of the last hour, in order
	Failures  int         `json:"failures,omitempty"`   // of the server, in a row
	NotBefore time.Time   `json:"not_before,omitzero"`  // as it fails, or asks for a pause
	LastSent  time.Time   `json:"last_sent,omitzero"`   // that was accepted
	Talked    []web.Peer  `json:"talked,omitempty"`     // the hosts that took it
	Tried     []web.Peer  `json:"tried,omitempty"`      // those that did not, since then
	LastError *Failure    `json:"last_error,omitempty"` // since then
}

// Limits are what a box may do.
type Limits struct {
	PerHour    int       // requests within any hour
	Network    time.Time // when this host's network last changed; zero if that is not known
	OnlyUnbans bool      // as it is not known whom to spare
}

// Outcome is what became of an address.
type Outcome string

// The outcomes.
const (
	Queued    Outcome = "queued"
	Sent      Outcome = "sent"
	Refused   Outcome = "refused"      // by the server, for good
	Dropped   Outcome = "dropped"      // it has waited too long, or others took its place
	Cancelled Outcome = "cancelled"    // a ban and its unban, neither of which was sent yet
	None      Outcome = "not-reported" // there was no need to
)

// Verdict is an outcome in words.
type Verdict struct {
	Addr    netip.Addr `json:"address"`
	Kind    Kind       `json:"kind"`
	Outcome Outcome    `json:"outcome"`
	Why     string     `json:"why,omitempty"`
}

// Words are the verdict for people.
func (v Verdict) Words() string {
	words := map[Outcome]string{
		Queued:    "waits",
		Sent:      "reported to VoIPBL",
		Refused:   "refused by VoIPBL, and dropped",
		Dropped:   "dropped",
		Cancelled: "nothing is sent",
		None:      "not reported",
	}[v.Outcome]
	if v.Kind == Unban && v.Outcome == Sent {
		words = "taken back at VoIPBL"
	}
	if v.Why != "" {
		words += ": " + v.Why
	}
	return words
}

func verdict(a netip.Addr, k Kind, o Outcome, format string, args ...any) Verdict {
	return Verdict{a, k, o, fmt.Sprintf(format, args...)}
}

// Ban takes a report in. Of the verdicts the first is about it, others are about what had
// to make room.
func (b *Box) Ban(a netip.Addr, count int, now time.Time) []Verdict {
	if i := b.find(a, Unban); i >= 0 {
		b.Queue = slices.Delete(b.Queue, i, i+1)
		return []Verdict{verdict(a, Ban, Cancelled, "it is reported still: the unban had not been sent yet")}
	}
	if i := b.find(a, Ban); i >= 0 {
		b.Queue[i].Count = max(b.Queue[i].Count, count)
		return []Verdict{verdict(a, Ban, Queued, "it was waiting already")}
	}
	for _, told := range []map[netip.Addr]time.Time{b.Standing, b.Withdrawn} {
		if at, yes := told[a]; yes && now.Sub(at) < once {
			return []Verdict{verdict(a, Ban, None, "it was reported within the last day")}
		}
	}
	return b.add(Entry{Addr: a, Kind: Ban, Count: count, At: now})
}

// Unban takes in that an address was let go.
func (b *Box) Unban(a netip.Addr, count int, now time.Time) []Verdict {
	if i := b.find(a, Ban); i >= 0 {
		b.Queue = slices.Delete(b.Queue, i, i+1)
		if _, yes := b.Standing[a]; !yes {
			return []Verdict{verdict(a, Unban, Cancelled, "it had not been reported yet, and will not be")}
		}
	}
	if b.find(a, Unban) >= 0 {
		return []Verdict{verdict(a, Unban, Queued, "it was waiting already")}
	}
	if _, yes := b.Standing[a]; !yes {
		return []Verdict{verdict(a, Unban, None, "this host has not reported it, or that was taken back")}
	}
	return b.add(Entry{Addr: a, Kind: Unban, Count: count, At: now})
}

// add puts an entry in. If there are too many the oldest report makes room: attackers of
// now are worth more. An unban does so only if there is nothing else.
func (b *Box) add(e Entry) []Verdict {
	told := []Verdict{verdict(e.Addr, e.Kind, Queued, "")}
	b.Queue = append(b.Queue, e)
	for len(b.Queue) > maxQueue {
		i := max(0, slices.IndexFunc(b.Queue, func(e Entry) bool { return e.Kind == Ban }))
		old := b.Queue[i]
		b.Queue = slices.Delete(b.Queue, i, i+1)
		gone := verdict(old.Addr, old.Kind, Dropped, "more than %d were waiting, and it was the oldest", maxQueue)
		if old == e {
			told = nil
		}
		told = append(told, gone)
	}
	return told
}

func (b *Box) find(a netip.Addr, k Kind) int {
	return slices.IndexFunc(b.Queue, func(e Entry) bool { return e.Addr == a && e.Kind == k })
}

// Due is when the next entry may be sent, not before now; zero if none waits that may be.
func (b *Box) Due(l Limits, now time.Time) time.Time {
	if !slices.ContainsFunc(b.Queue, l.allow) {
		return time.Time{}
	}
	due := b.afterPause(l, now)
	recent := b.recent(now)
	if n := len(recent); n >= l.PerHour {
		due = web.Later(due, recent[n-l.PerHour].Add(window))
	}
	return due
}

func (l Limits) allow(e Entry) bool { return !l.OnlyUnbans || e.Kind == Unban }

// afterPause is when the server may be asked again.
func (b *Box) afterPause(l Limits, now time.Time) time.Time {
	if !b.NotBefore.After(now) {
		return now
	}
	if f, n := b.LastError, len(b.Requests); f != nil && f.Reason == Unreachable && n > 0 && l.Network.After(b.Requests[n-1]) {
		if early := web.Later(l.Network, b.Requests[n-1].Add(NetworkPause)); early.Before(b.NotBefore) {
			return early
		}
	}
	return b.NotBefore
}

// recent are the requests that count at now.
func (b *Box) recent(now time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(b.Requests, now.Add(-window), func(at, from time.Time) int {
		if at.After(from) {
			return 1
		}
		return -1 // one that is an hour old counts no more
	})
	return b.Requests[i:]
}

// Begin chooses what is sent now, and counts the request; false if nothing is due. It is
// the oldest of those that were tried least: one that the server chokes on holds nobody
// up.
func (b *Box) Begin(l Limits, now time.Time) (Entry, bool) {
	if due := b.Due(l, now); due.IsZero() || due.After(now) {
		return Entry{}, false
	}
	i := -1
	for j, e := range b.Queue {
		if l.allow(e) && (i < 0 || e.Tries < b.Queue[i].Tries) {
			i = j
		}
	}
	b.Queue[i].Tries++
	b.Requests = append(slices.Clone(b.recent(now)), now)
	return b.Queue[i], true
}

// Finish takes in what became of what Begin chose. Meanwhile it may have been cancelled: a
// report that VoIPBL has all the same is then taken back.
func (b *Box) Finish(e Entry, r Result, now time.Time) Verdict {
	i := b.find(e.Addr, e.Kind)
	if r.Err == nil {
		b.Failures, b.NotBefore, b.LastError, b.LastSent, b.Talked, b.Tried = 0, time.Time{}, nil, now, r.Talked, nil
		if e.Kind == Ban {
			remember(&b.Standing, e.Addr, now)
		} else if at, yes := b.Standing[e.Addr]; yes {
			delete(b.Standing, e.Addr)
			remember(&b.Withdrawn, e.Addr, at)
		}
		if i >= 0 {
			b.Queue = slices.Delete(b.Queue, i, i+1)
		} else if e.Kind == Ban && b.find(e.Addr, Unban) < 0 {
			b.add(Entry{Addr: e.Addr, Kind: Unban, Count: e.Count, At: now})
		}
		return verdict(e.Addr, e.Kind, Sent, "")
	}
	b.LastError = &Failure{At: now, Reason: r.Err.Reason, Error: r.Err.Error()}
	b.Tried = r.Talked
	if r.Err.Reason == Forbidden {
		b.Failures, b.NotBefore = 0, time.Time{} // it answers
		if i >= 0 {
			b.Queue = slices.Delete(b.Queue, i, i+1)
		}
		return verdict(e.Addr, e.Kind, Refused, "%v", r.Err)
	}
	b.Failures++
	b.NotBefore = web.Later(now.Add(web.Pause(b.Failures)), r.NotBefore)
	if most := now.Add(maxRetryAfter); b.NotBefore.After(most) {
		b.NotBefore = most
	}
	if i < 0 {
		return verdict(e.Addr, e.Kind, Cancelled, "")
	}
	return verdict(e.Addr, e.Kind, Queued, "%v", r.Err)
}

// Drop takes out reports that must not be sent after all; why is asked about each, and
// says nothing about those that may.
func (b *Box) Drop(why func(netip.Addr) string) (told []Verdict) {
	b.Queue = slices.DeleteFunc(b.Queue, func(e Entry) bool {
		if e.Kind != Ban {
			return false
		}
		words := why(e.Addr)
		if words != "" {
			told = append(told, verdict(e.Addr, Ban, None, "%s", words))
		}
		return words != ""
	})
	return told
}

// Settle forgets what is too old, and reports whether that has changed anything. Times
// that lie in the future are from before the clock was set back, and become now: too few
// requests rather than too many.
func (b *Box) Settle(now time.Time) (told []Verdict, changed bool) {
	past := func(at *time.Time) {
		if at.After(now) {
			*at, changed = now, true
		}
	}
	for i := range b.Queue {
		past(&b.Queue[i].At)
	}
	for i := range b.Requests {
		past(&b.Requests[i])
	}
	past(&b.LastSent)
	if b.NotBefore.After(now.Add(maxRetryAfter)) {
		b.NotBefore, changed = now.Add(web.MaxPause), true
	}
	b.Queue = slices.DeleteFunc(b.Queue, func(e Entry) bool {
		over := now.Sub(e.At) >= map[Kind]time.Duration{Ban: worth, Unban: worthUnban}[e.Kind]
		if over {
			told = append(told, verdict(e.Addr, e.Kind, Dropped, "it has waited since %s, and is no news any more", e.At.UTC().Format(time.RFC3339)))
		}
		return over
	})
	forgot := forget(b.Standing, standing, now)
	forgot = forget(b.Withdrawn, once, now) || forgot
	return told, changed || forgot || len(told) > 0
}

// forget takes out what is too old, or too much.
func forget(told map[netip.Addr]time.Time, after time.Duration, now time.Time) (changed bool) {
	for a, at := range told {
		if at.After(now) {
			told[a], changed = now, true
		} else if now.Sub(at) >= after {
			delete(told, a)
			changed = true
		}
	}
	if n := len(told) - maxStanding; n > 0 {
		oldest := slices.SortedFunc(maps.Keys(told), func(a, b netip.Addr) int { return told[a].Compare(told[b]) })
		for _, a := range oldest[:n] {
			delete(told, a)
		}
		changed = true
	}
	return changed
}

func remember(told *map[netip.Addr]time.Time, a netip.Addr, at time.Time) {
	if *told == nil {
		*told = make(map[netip.Addr]time.Time)
	}
	(*told)[a] = at
}

// Check reports what a box that was read from a file cannot hold.
func (b *Box) Check() error {
	type who struct {
		Addr netip.Addr
		Kind Kind
	}
	seen := make(map[who]bool)
	for i, e := range b.Queue {
		switch {
		case !e.Addr.IsValid() || e.Addr != e.Addr.Unmap().WithZone(""):
			return fmt.Errorf("number %d of the queue has no address", i+1)
		case e.Kind != Ban && e.Kind != Unban:
			return fmt.Errorf("number %d of the queue is neither a ban nor an unban", i+1)
		case seen[who{e.Addr, e.Kind}]:
			return fmt.Errorf("number %d of the queue is there twice", i+1)
		}
		seen[who{e.Addr, e.Kind}] = true
	}
	if len(b.Queue) > maxQueue {
		return fmt.Errorf("the queue has %d entries, more than %d", len(b.Queue), maxQueue)
	}
	if !slices.IsSortedFunc(b.Requests, time.Time.Compare) {
		return fmt.Errorf("the requests are not in order of time")
	}
	return nil
}
