package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Status is how things stand now, from the kernel and the state folder.
type Status struct {
	Version   string       `json:"version"`
	Protected bool         `json:"protected"` // the sets hold something, and a rule uses them
	Problems  []string     `json:"problems"`
	Sets      []SetStatus  `json:"sets"`
	Rules     *RulesStatus `json:"rules"`
	Feeds     []FeedStatus `json:"feeds"`
	Bans      int          `json:"bans"`            // of this host
	Agent     *AgentStatus `json:"agent,omitempty"` // if one is running

	silent bool // one is running, and does not answer
}

// SetStatus is one kernel set.
type SetStatus struct {
	Name       string `json:"name"`
	Exists     bool   `json:"exists"`
	Type       string `json:"type,omitempty"`
	Entries    int    `json:"entries"`
	Lengths    []int  `json:"lengths"`    // prefix lengths that occur
	Memory     int64  `json:"memory"`     // bytes in the kernel
	Changed    bool   `json:"changed"`    // somebody else has changed it since voipbl wrote it
	Ours       bool   `json:"ours"`       // of the type and family that voipbl makes
	References int    `json:"references"` // rules and lists that use it
	Drops      bool   `json:"drops"`      // a rule of INPUT or PREROUTING drops its members
	Packets    uint64 `json:"packets"`    // that its present entries have matched
	Bytes      uint64 `json:"bytes"`
}

// FeedStatus is one feed.
type FeedStatus struct {
	Name        string      `json:"name"`
	Source      string      `json:"source"`
	Entries     int         `json:"entries"` // of the last good copy
	Rejects     int         `json:"rejects"`
	FetchedAt   time.Time   `json:"fetched_at,omitzero"`
	LastSuccess time.Time   `json:"last_success,omitzero"` // "not modified" is one
	LastAttempt time.Time   `json:"last_attempt,omitzero"`
	Next        time.Time   `json:"next,omitzero"` // when the agent will try, of a feed from the network
	Failures    int         `json:"failures"`      // since the last success
	Stale       bool        `json:"stale"`         // no success for three times its interval
	Held        *fetch.Held `json:"held,omitempty"`
	Problem     *Problem    `json:"problem,omitempty"`
}

// staleIntervals is how many times in a row a feed's fetch may be due without a
// success before it is called stale.
const staleIntervals = 3

// ReadStatus reads how things stand at now: from the kernel and the state folder, and
// from the agent if one is running.
func ReadStatus(ctx context.Context, cfg config.Config, version string, now time.Time) (*Status, error) {
	agent, silent := askStatus(ctx, cfg)
	s, err := readStatus(ctx, cfg, version, now, agent)
	if err == nil && silent != nil {
		s.Problems = append(s.Problems, silent.Error())
		s.silent = true
	}
	return s, err
}

func readStatus(ctx context.Context, cfg config.Config, version string, now time.Time, agent *AgentStatus) (*Status, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	store, err := findStore(cfg)
	if err != nil {
		return nil, err
	}
	if store != nil {
		defer store.Close()
	}
	s := &Status{Version: version, Problems: []string{}, Sets: []SetStatus{}, Feeds: []FeedStatus{}, Agent: agent}
	s.Rules = rulesStatus(ctx, cfg, kernel, store)
	record := lastRecord(cfg)
	for _, f := range cidr.Families {
		set, err := setStatus(kernel, setName(cfg, f), f, record.Sets[f])
		if err != nil {
			return nil, err
		}
		set.Drops = s.Rules.drops(set.Name)
		s.Sets = append(s.Sets, set)
	}
	for _, f := range cfg.Feeds {
		status := feedStatus(store, f, now)
		if agent != nil {
			status.Next = agent.Next[f.Name]
		}
		s.Feeds = append(s.Feeds, status)
	}
	bans, err := readBans(store)
	if err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	s.Bans = len(bans.active(now))
	s.judge()
	return s, nil
}

// setStatus looks at one set; print is what was last put into it.
func setStatus(kernel *ipsetsync.Kernel, name string, f cidr.Family, print setPrint) (SetStatus, error) {
	s := SetStatus{Name: name, Lengths: []int{}}
	c, err := kernel.Content(name)
	if errors.Is(err, ipsetsync.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Exists, s.Type, s.Entries = true, c.Type, int(c.Elements)
	s.Memory, s.References = int64(c.Memory), int(c.References)
	s.Ours = ipsetsync.IsOurs(c.Header, f)
	s.Packets, s.Bytes = c.Packets, c.Bytes
	s.Changed = s.Ours && print.Name == name && print.study(c) != ""
	for bits, n := range c.Lengths {
		if n > 0 {
			s.Lengths = append(s.Lengths, bits)
		}
	}
	return s, nil
}

func feedStatus(store *fetch.Store, f config.Feed, now time.Time) FeedStatus {
	s := FeedStatus{Name: f.Name, Source: f.Path}
	if f.URL != "" {
		s.Source = redact(f.URL)
	}
	if store == nil {
		s.Problem, s.Stale = neverFetched(), f.URL != ""
		return s
	}
	c, err := store.Open(f.Name)
	switch {
	case err == nil:
		m := c.Meta()
		s.Entries, s.Rejects, s.FetchedAt = m.Entries, m.Rejects, m.FetchedAt
		c.Close()
	case isAbsent(err):
		s.Problem = neverFetched()
	default:
		s.Problem = problemOf(err)
	}
	state, err := store.State(f.Name)
	if err != nil && s.Problem == nil {
		s.Problem = problemOf(err)
	}
	s.LastAttempt, s.Failures, s.Held = state.LastAttempt, state.Failures, state.Held
	s.LastSuccess = lastSuccess(state, s.FetchedAt)
	if state.LastError != "" {
		s.Problem = &Problem{state.Reason, state.LastError, remedyFor(fetch.Reason(state.Reason))}
	}
	s.Stale = f.URL != "" && stale(s.LastSuccess, now, f.Schedule)
	return s
}

func neverFetched() *Problem {
	return &Problem{Reason: string(fetch.ReasonAbsent), Error: "it was never fetched", Remedy: "run \"voipbl sync\""}
}

// lastSuccess is when the feed's entries were last known to be current.
func lastSuccess(state fetch.State, fetchedAt time.Time) time.Time {
	if state.LastSuccess.IsZero() {
		return fetchedAt
	}
	return state.LastSuccess
}

// stale reports whether fetches were due as often as staleIntervals since the
// last success. A success in the future says nothing, for the clock has been
// set back since: it counts as stale, which the next success mends.
func stale(success, now time.Time, schedule config.Schedule) bool {
	if success.IsZero() || success.After(schedule.Next(now)) {
		return true
	}
	due := success.Local() // the zone that cron goes by
	for range staleIntervals {
		due = schedule.Next(due)
	}
	return due.Before(now)
}

// judge says whether the host is protected, and what stands against it. A set
// without entries needs no rule: not every host has IPv6.
func (s *Status) judge() {
	entries := 0
	for _, set := range s.Sets {
		switch {
		case !set.Exists:
			s.Problems = append(s.Problems, "the kernel has no set "+set.Name+": run \"voipbl sync\"")
		case !set.Ours:
			s.Problems = append(s.Problems, fmt.Sprintf("the set %s is a %s that somebody else made", set.Name, set.Type))
		case set.Entries > 0 && !set.Drops:
			s.Problems = append(s.Problems, "no rule of INPUT or PREROUTING drops the members of "+set.Name)
		}
		entries += set.Entries
	}
	if entries == 0 {
		s.Problems = append(s.Problems, "the sets are empty")
	}
	s.Protected = len(s.Problems) == 0
	for _, set := range s.Sets {
		if set.Changed {
			s.Problems = append(s.Problems, "somebody else has changed the set "+set.Name+" since voipbl wrote it: run \"voipbl sync\"")
		}
	}
	s.Problems = append(s.Problems, s.Rules.problems()...)
	if a := s.Agent; a != nil && a.ConfigError != nil {
		s.Problems = append(s.Problems, "the agent goes on with the old configuration: "+a.ConfigError.Error)
	}
	if a := s.Agent; a != nil && a.ApplyError != nil {
		s.Problems = append(s.Problems, "the agent cannot put the lists in force: "+a.ApplyError.Error)
	}
	for _, f := range s.Feeds {
		if f.Stale {
			s.Problems = append(s.Problems, "feed "+f.Name+" is stale")
		}
	}
}

// Worrying reports whether a feed is stale or in trouble, or the rules are on trial
// or not as they should be.
func (s *Status) Worrying() bool {
	if s.Rules.Problem != nil || len(s.Rules.Drift) > 0 || s.Rules.Pending != nil || s.silent {
		return true
	}
	if a := s.Agent; a != nil && (a.ConfigError != nil || a.ApplyError != nil) {
		return true
	}
	if slices.ContainsFunc(s.Sets, func(set SetStatus) bool { return set.Changed }) {
		return true
	}
	for _, f := range s.Feeds {
		if f.Stale || f.Problem != nil {
			return true
		}
	}
	return false
}
