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
	// maxQueue is how many entries may wait. At the usual 60 an hour it takes 17 hours to send
	// them, and reports older than a day are not sent.
	maxQueue = 1000

	// once is how long an address is not reported again, since VoIPBL knows it already.
	once = 24 * time.Hour

	// worth is how long a report waits at most. Addresses change hands: yesterday's attacker
	// may be somebody else today.
	worth = 24 * time.Hour

	// worthUnban is how long an unban waits at most. It corrects a mistake, so it waits longer.
	worthUnban = 7 * 24 * time.Hour

	// standing is how long, and maxStanding how many, reported addresses are remembered, so
	// that they can be unbanned. The number is more than can be sent within once at the
	// fastest rate, 600 an hour.
	standing    = 30 * 24 * time.Hour
	maxStanding = 20_000

	// window is the time in which Limits.PerHour counts requests.
	window = time.Hour
)

// Kind is what is reported about an address.
type Kind string

// The kinds, in the words that VoIPBL's requests use.
const (
	kindBan   Kind = "ban"   // the address attacked this host
	kindUnban Kind = "unban" // this host unbanned it
)

// Entry is a report that waits to be sent.
type Entry struct {
	Addr  netip.Addr `json:"address"`
	Kind  Kind       `json:"kind"`
	Count int        `json:"count"` // failures that led to the ban
	At    time.Time  `json:"at"`
	Tries int        `json:"tries,omitempty"`
}

// Box holds the entries that wait, and what is remembered of those sent. The zero value is empty.
type Box struct {
	Queue []Entry `json:"queue"` // in order of time

	// Standing are addresses that were reported to VoIPBL, and when. Withdrawn are those whose
	// unban was sent in the last day; the time is that of the report.
	Standing  map[netip.Addr]time.Time `json:"standing,omitempty"`
	Withdrawn map[netip.Addr]time.Time `json:"withdrawn,omitempty"`

	Requests  []time.Time `json:"requests,omitempty"`   // when requests of the last hour were made, in order
	Failures  int         `json:"failures,omitempty"`   // how often in a row the server failed
	NotBefore time.Time   `json:"not_before,omitzero"`  // no request before this, since the server fails or asked for a pause
	LastSent  time.Time   `json:"last_sent,omitzero"`   // when a request was last accepted
	Talked    []web.Peer  `json:"talked,omitempty"`     // the hosts that accepted it
	Tried     []web.Peer  `json:"tried,omitempty"`      // hosts that did not accept one since
	LastError *Failure    `json:"last_error,omitempty"` // the last one since LastSent
}

// Limits say what a box may send.
type Limits struct {
	PerHour    int       // requests within any hour
	Network    time.Time // when this host's network last changed; zero if that is not known
	OnlyUnbans bool      // since it is not known which addresses are exempt
}

// Outcome is what happened to an entry.
type Outcome string

// The outcomes.
const (
	Queued    Outcome = "queued"
	Sent      Outcome = "sent"
	Refused   Outcome = "refused"      // by the server, for good
	Dropped   Outcome = "dropped"      // it waited too long, or others took its place
	Cancelled Outcome = "cancelled"    // a ban and its unban cancel out: neither was sent yet
	None      Outcome = "not-reported" // no request is needed
)

// Verdict is the outcome of an entry, and why.
type Verdict struct {
	Addr    netip.Addr `json:"address"`
	Kind    Kind       `json:"kind"`
	Outcome Outcome    `json:"outcome"`
	Why     string     `json:"why,omitempty"`
}

// Words is the verdict as a person reads it.
func (v Verdict) Words() string {
	words := map[Outcome]string{
		Queued:    "waits",
		Sent:      "reported to VoIPBL",
		Refused:   "refused by VoIPBL, and dropped",
		Dropped:   "dropped",
		Cancelled: "nothing is sent",
		None:      "not reported",
	}[v.Outcome]
	if v.Kind == kindUnban && v.Outcome == Sent {
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

// ban adds a report. The first verdict is about it; the others are about entries that had to
// make room.
func (b *Box) ban(a netip.Addr, count int, now time.Time) []Verdict {
	if i := b.find(a, kindUnban); i >= 0 {
		b.Queue = slices.Delete(b.Queue, i, i+1)
		return []Verdict{verdict(a, kindBan, Cancelled, "it stays reported: the unban had not been sent yet")}
	}
	if i := b.find(a, kindBan); i >= 0 {
		b.Queue[i].Count = max(b.Queue[i].Count, count)
		return []Verdict{verdict(a, kindBan, Queued, "it was waiting already")}
	}
	for _, told := range []map[netip.Addr]time.Time{b.Standing, b.Withdrawn} {
		if at, yes := told[a]; yes && now.Sub(at) < once {
			return []Verdict{verdict(a, kindBan, None, "it was reported within the last day")}
		}
	}
	return b.add(Entry{Addr: a, Kind: kindBan, Count: count, At: now})
}

// unban adds the report that an address was unbanned.
func (b *Box) unban(a netip.Addr, count int, now time.Time) []Verdict {
	if i := b.find(a, kindBan); i >= 0 {
		b.Queue = slices.Delete(b.Queue, i, i+1)
		if _, yes := b.Standing[a]; !yes {
			return []Verdict{verdict(a, kindUnban, Cancelled, "it had not been reported yet, and will not be")}
		}
	}
	if b.find(a, kindUnban) >= 0 {
		return []Verdict{verdict(a, kindUnban, Queued, "it was waiting already")}
	}
	if _, yes := b.Standing[a]; !yes {
		return []Verdict{verdict(a, kindUnban, None, "this host has not reported it, or that was taken back")}
	}
	return b.add(Entry{Addr: a, Kind: kindUnban, Count: count, At: now})
}

// add puts an entry into the queue. If the queue is full, the oldest report makes room, since
// newer attackers matter more. An unban makes room only if there is nothing else.
func (b *Box) add(e Entry) []Verdict {
	told := []Verdict{verdict(e.Addr, e.Kind, Queued, "")}
	b.Queue = append(b.Queue, e)
	for len(b.Queue) > maxQueue {
		i := max(0, slices.IndexFunc(b.Queue, func(e Entry) bool { return e.Kind == kindBan }))
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

// due is when the next entry may be sent, at the earliest now; zero if none may be.
func (b *Box) due(l Limits, now time.Time) time.Time {
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

func (l Limits) allow(e Entry) bool { return !l.OnlyUnbans || e.Kind == kindUnban }

// afterPause is when the next request to the server may be made.
func (b *Box) afterPause(l Limits, now time.Time) time.Time {
	if !b.NotBefore.After(now) {
		return now
	}
	if f, n := b.LastError, len(b.Requests); f != nil && f.Reason == reasonUnreachable && n > 0 && l.Network.After(b.Requests[n-1]) {
		if early := web.Later(l.Network, b.Requests[n-1].Add(NetworkPause)); early.Before(b.NotBefore) {
			return early
		}
	}
	return b.NotBefore
}

// recent returns the requests that count at now.
func (b *Box) recent(now time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(b.Requests, now.Add(-window), func(at, from time.Time) int {
		if at.After(from) {
			return 1
		}
		return -1 // a request from an hour ago no longer counts
	})
	return b.Requests[i:]
}

// begin chooses the entry to send now, and counts the request; false if nothing is due. It
// takes the oldest of those tried least often, so that an entry on which the server fails does
// not hold up the others.
func (b *Box) begin(l Limits, now time.Time) (Entry, bool) {
	if due := b.due(l, now); due.IsZero() || due.After(now) {
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

// finish takes the result for the entry that begin chose. If the entry was cancelled meanwhile
// but VoIPBL has accepted it, finish queues its unban.
func (b *Box) finish(e Entry, r Result, now time.Time) Verdict {
	i := b.find(e.Addr, e.Kind)
	if r.Err == nil {
		b.Failures, b.NotBefore, b.LastError, b.LastSent, b.Talked, b.Tried = 0, time.Time{}, nil, now, r.Talked, nil
		if e.Kind == kindBan {
			remember(&b.Standing, e.Addr, now)
		} else if at, yes := b.Standing[e.Addr]; yes {
			delete(b.Standing, e.Addr)
			remember(&b.Withdrawn, e.Addr, at)
		}
		if i >= 0 {
			b.Queue = slices.Delete(b.Queue, i, i+1)
		} else if e.Kind == kindBan && b.find(e.Addr, kindUnban) < 0 {
			b.add(Entry{Addr: e.Addr, Kind: kindUnban, Count: e.Count, At: now})
		}
		return verdict(e.Addr, e.Kind, Sent, "")
	}
	b.LastError = &Failure{At: now, Reason: r.Err.Reason, Error: r.Err.Error()}
	b.Tried = r.Talked
	if r.Err.Reason == reasonForbidden {
		b.Failures, b.NotBefore = 0, time.Time{} // the server answers
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

// drop takes out reports that must not be sent after all. why is called for each, and returns
// "" for those that may be sent.
func (b *Box) drop(why func(netip.Addr) string) (told []Verdict) {
	b.Queue = slices.DeleteFunc(b.Queue, func(e Entry) bool {
		if e.Kind != kindBan {
			return false
		}
		words := why(e.Addr)
		if words != "" {
			told = append(told, verdict(e.Addr, kindBan, None, "%s", words))
		}
		return words != ""
	})
	return told
}

// settle takes out what is too old, and reports whether anything changed. Times in the future
// are from before the clock was set back. They become now, which makes too few requests rather
// than too many.
func (b *Box) settle(now time.Time) (told []Verdict, changed bool) {
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
		over := now.Sub(e.At) >= map[Kind]time.Duration{kindBan: worth, kindUnban: worthUnban}[e.Kind]
		if over {
			told = append(told, verdict(e.Addr, e.Kind, Dropped, "it has waited since %s, and is too old now", e.At.UTC().Format(time.RFC3339)))
		}
		return over
	})
	forgot := forget(b.Standing, standing, now)
	forgot = forget(b.Withdrawn, once, now) || forgot
	return told, changed || forgot || len(told) > 0
}

// forget takes out addresses that are too old or too many.
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

// check returns an error if the box, read from a file, has something that no box can have.
func (b *Box) check() error {
	type who struct {
		Addr netip.Addr
		Kind Kind
	}
	seen := make(map[who]bool)
	for i, e := range b.Queue {
		switch {
		case !e.Addr.IsValid() || e.Addr != e.Addr.Unmap().WithZone(""):
			return fmt.Errorf("number %d of the queue has no address", i+1)
		case e.Kind != kindBan && e.Kind != kindUnban:
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
