package feeds

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// OnceMore is what to do after a remedy where no agent runs.
const OnceMore = "then " + problem.RunSync

// AndSync ends a remedy that needs a sync afterwards.
const AndSync = "; " + OnceMore

// Status is the present state of one feed.
type Status struct {
	Name        string    `json:"name"`
	Source      string    `json:"source"`
	Mirror      string    `json:"mirror,omitempty"` // the host of the fleet by which the last success came
	Entries     int       `json:"entries"`          // of the last good copy
	Rejects     int       `json:"rejects"`
	FetchedAt   time.Time `json:"fetched_at,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"` // "not modified" counts as a success
	LastAttempt time.Time `json:"last_attempt,omitzero"`

	ContentChanged time.Time `json:"content_changed,omitzero"` // when the list last changed
	Frozen         bool      `json:"frozen"`                   // that was longer ago than frozen_after allows

	Next     time.Time        `json:"next,omitzero"` // when the agent will fetch it, if it is from the network
	Fetching bool             `json:"fetching"`      // the agent is fetching it now
	Failures int              `json:"failures"`      // since the last success
	Stale    bool             `json:"stale"`         // no success for three times its interval
	Held     *fetch.Held      `json:"held,omitempty"`
	Problem  *problem.Problem `json:"problem,omitempty"`

	Digest string `json:"-"` // of the last good copy

	File  bool `json:"-"` // the list is a file of this host
	Waits bool `json:"-"` // the newest list is not in force yet

	Unknown bool `json:"-"` // it is not known which lists are in force
}

// By says in parentheses which host of the fleet has fetched the list for this one; "" if none has.
func (f *Status) By() string {
	if f.Mirror == "" {
		return ""
	}
	return " (" + Via(f.Mirror) + ")"
}

// FrozenWords says that the list is frozen, and when it last changed.
func (f *Status) FrozenWords() string { return FrozenWords(f.ContentChanged) }

// staleIntervals is how many times in a row a fetch may be due without a success before the
// feed is stale.
const staleIntervals = 3

// Statuses returns the status of each feed at the time now, from the state folder.
func Statuses(store *fetch.Store, feeds []config.Feed, now time.Time) (all []Status) {
	var last *applied
	if store != nil {
		last = readApplied(store)
	}
	for _, f := range feeds {
		all = append(all, statusOf(store, last, f, now))
	}
	return all
}

func statusOf(store *fetch.Store, last *applied, f config.Feed, now time.Time) Status {
	s := Status{Name: f.Name, Source: f.Path, File: f.URL == "", Unknown: last == nil}
	if f.URL != "" {
		s.Source = f.URL.String()
	}
	if store == nil {
		s.Problem, s.Stale = s.neverGot(), f.URL != ""
		return s
	}
	c, err := store.Open(f.Name)
	switch {
	case err == nil:
		m := c.Meta()
		s.Entries, s.Rejects, s.FetchedAt, s.Digest = m.Entries, m.Rejects, m.FetchedAt, m.SHA256
		c.Close()
	case problem.IsAbsent(err):
		s.Problem = s.neverGot()
	default:
		s.Problem = problem.Of(err)
	}
	state, err := store.State(f.Name)
	if err != nil && s.Problem == nil {
		s.Problem = problem.Of(err)
	}
	s.Waits = last.waits(s)
	s.Mirror = state.Mirror
	s.LastAttempt, s.Failures, s.Held = state.LastAttempt, state.Failures, state.Held
	s.LastSuccess = LastSuccess(state, s.FetchedAt)
	if state.LastError != "" {
		s.Problem = &problem.Problem{Reason: state.Reason, Error: state.LastError, Remedy: remedyFor(fetch.Reason(state.Reason))}
	}
	s.ContentChanged = state.ContentChanged
	s.Stale = f.URL != "" && IsStale(s.LastSuccess, now, TimesOf(f))
	s.Frozen = f.URL != "" && s.Held == nil && IsFrozen(s.ContentChanged, s.LastSuccess, f)
	return s
}

// Never reports whether there has never been a copy.
func (f *Status) Never() bool { return f.LastSuccess.IsZero() && f.FetchedAt.IsZero() }

// Untried reports whether there is no copy, and no known attempt to fetch one.
func (f *Status) Untried() bool { return f.Never() && f.LastAttempt.IsZero() }

// NeverWords says that there has never been a copy.
func (f *Status) NeverWords() string {
	if f.File {
		return "was never read, or no copy of it could be kept"
	}
	return "was never fetched"
}

// Why says what went wrong with the feed, after a colon. It is empty if nothing is known except
// that there has never been a copy.
func (f *Status) Why() string {
	switch {
	case f.Problem == nil || f.Problem.Error == f.neverGot().Error:
		return ""
	case f.Failures > 1:
		return fmt.Sprintf(": failed %s times: %s", humanize.Comma(int64(f.Failures)), f.Problem.Error)
	}
	return ": " + f.Problem.Error
}

func (f *Status) neverGot() *problem.Problem {
	return &problem.Problem{Reason: string(fetch.ReasonAbsent), Error: "it " + f.NeverWords(), Remedy: problem.RunSync}
}

// AdviseFetch sets the remedy for what comes after an admin has solved a feed's problem. A
// running agent fetches the feed again; without one, that needs a sync.
func (f *Status) AdviseFetch(agentRuns bool) {
	switch {
	case f.Problem == nil:
		return
	case !agentRuns && !strings.Contains(f.Problem.Remedy, "voipbl sync"):
		f.Problem.Remedy += AndSync
		return
	case !agentRuns || f.Problem.Remedy != problem.RunSync:
		return
	}
	f.Problem.Remedy = "nothing: the agent fetches it when it is due"
	if f.Fetching {
		f.Problem.Remedy = "nothing: the agent is fetching it now"
	}
}

// LastSuccess is when the feed's entries were last known to be current.
func LastSuccess(state fetch.State, fetchedAt time.Time) time.Time {
	if state.LastSuccess.IsZero() {
		return fetchedAt
	}
	return state.LastSuccess
}

// IsStale reports whether fetches were due staleIntervals times since the last success. A
// success in the future means that the clock was set back: it counts as stale until the next
// success.
func IsStale(success, now time.Time, times Times) bool {
	if success.IsZero() || success.After(times.Next(now)) {
		return true
	}
	due := success
	for range staleIntervals {
		due = times.Next(due)
	}
	return due.Before(now)
}
