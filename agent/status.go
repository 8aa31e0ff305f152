package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Status is how things stand now, from the kernel and the state folder.
type Status struct {
	Version   string       `json:"version"`
	Protected bool         `json:"protected"` // the sets hold something, and a rule uses them
	Problems  []string     `json:"problems"`
	Sets      []SetStatus  `json:"sets"`
	BanSets   []SetStatus  `json:"ban_sets"` // what the bans of this host are in
	Rules     *RulesStatus `json:"rules"`
	Feeds     []FeedStatus `json:"feeds"`
	Kept      []Kept       `json:"kept,omitempty"` // of feeds whose last good copy is lost
	Bans      int          `json:"bans"`           // of this host

	// Unprotected are names of allow and trunks that have never been resolved.
	Unprotected []string `json:"unprotected,omitempty"`

	Names []NameStatus `json:"names,omitempty"` // of allow and trunks

	// AllowedProblem is what is wrong with the list of "voipbl allow".
	AllowedProblem *Problem `json:"allowed_problem,omitempty"`

	// StateFolder is why nothing, or not all, can be written into the state folder, by the
	// agent or at all.
	StateFolder *Problem `json:"state_folder,omitempty"`

	// RunFolder is why nothing can be written into the run folder.
	RunFolder *Problem `json:"run_folder,omitempty"`

	// Saved are files that are loaded at boot, or would be but for an old name of a set.
	Saved []SavedTrouble `json:"saved,omitempty"`

	// DropLog is why the lines of log_drops may not appear.
	DropLog *Problem `json:"drop_log,omitempty"`

	// ExemptBanned are those who are exempt and banned, or dropped by another rule.
	ExemptBanned []ExemptBan `json:"exempt_banned,omitempty"`

	Reports *OutboxStatus `json:"reports,omitempty"` // to VoIPBL, if they are enabled

	Agent      *AgentStatus `json:"agent,omitempty"`       // if one is running
	AgentError *Problem     `json:"agent_error,omitempty"` // one runs and does not answer, or has died

	bansUnkept bool
	bansLost   *Problem // of an older version
	banNotes   []string
	bansUnread *Problem // why not all bans could be read

	MaxEntries EntryLimit `json:"max_entries"` // of one list

	// Families are those that are not protected as configured, while the other is.
	Families []FamilyProblem `json:"families,omitempty"`

	// IPv6Left is that IPv6 is left alone, as configured, and that this host has addresses
	// there.
	IPv6Left bool `json:"ipv6_left,omitempty"`

	remedies map[string]string // by problem
	taken    *Problem          // why the names of its sets cannot be had
	mistaken bool              // the file has a mistake, so that something else is in force
	outlook  *RulesReport      // what the agent makes of the rules, if it was asked for it
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

	users []string // lists and rules of others, of a set that is not ours
}

// FeedStatus is one feed.
type FeedStatus struct {
	Name        string    `json:"name"`
	Source      string    `json:"source"`
	Entries     int       `json:"entries"` // of the last good copy
	Rejects     int       `json:"rejects"`
	FetchedAt   time.Time `json:"fetched_at,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"` // "not modified" is one
	LastAttempt time.Time `json:"last_attempt,omitzero"`

	ContentChanged time.Time `json:"content_changed,omitzero"` // when the list last said something else
	Frozen         bool      `json:"frozen"`                   // that is longer ago than frozen_after says

	Next     time.Time   `json:"next,omitzero"` // when the agent will try, of a feed from the network
	Fetching bool        `json:"fetching"`      // by the agent, at this moment
	Failures int         `json:"failures"`      // since the last success
	Stale    bool        `json:"stale"`         // no success for three times its interval
	Held     *fetch.Held `json:"held,omitempty"`
	Problem  *Problem    `json:"problem,omitempty"`

	file bool // it is on this host
}

// FrozenWords says that the list is frozen, and since when.
func (f *FeedStatus) FrozenWords() string { return frozenWords(f.ContentChanged) }

// staleIntervals is how many times in a row a feed's fetch may be due without a
// success before it is called stale.
const staleIntervals = 3

// ReadStatus reads how things stand at now: from the kernel and the state folder, and
// from the agent if one is running. mistake is what is wrong with the file, if cfg is
// not from there for that.
func ReadStatus(ctx context.Context, cfg config.Config, version string, now time.Time, mistake error) (*Status, error) {
	agent, err := askStatus(ctx, cfg)
	var outlook *RulesReport
	if agent != nil {
		outlook = askOutlook(ctx, cfg)
	}
	return readStatus(ctx, cfg, version, now, agent, outlook, problemIf(err), nil, mistake)
}

func readStatus(ctx context.Context, cfg config.Config, version string, now time.Time, agent *AgentStatus, outlook *RulesReport, agentError *Problem, book *banBook, mistake error) (*Status, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	// Without the state folder there is still the kernel to tell about.
	store, unread := findStore(cfg)
	if store != nil {
		defer store.Close()
	}
	s := &Status{Version: version, Problems: []string{}, Sets: []SetStatus{}, BanSets: []SetStatus{}, Feeds: []FeedStatus{}, Agent: agent, outlook: outlook, AgentError: agentError, MaxEntries: entryLimit(cfg.Limits), mistaken: mistake != nil}
	s.taken = problemIf(namesTaken(ctx, cfg, kernel))
	protected, err := lastProtection(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	s.Unprotected, s.Names, s.AllowedProblem = protected.unprotected, protected.names, protected.allowedProblem
	s.Rules = rulesStatus(ctx, cfg, kernel, store, protected, agent, outlook)
	if !s.Rules.unread {
		s.Rules.Problem, s.Rules.Obstacles = leaveBase(s.Rules.Problem, s.Rules.Obstacles, agent)
	}
	s.Rules.remedies(s.Mended)
	if s.ExemptBanned, err = exemptBans(ctx, cfg, kernel, protected, s.Rules.kernel); err != nil {
		return nil, err
	}
	s.ExemptBanned = slices.DeleteFunc(s.ExemptBanned, s.Rules.tells)
	record := lastRecord(cfg)
	s.Families = slices.Concat(record.families(), s.Rules.Families)
	s.IPv6Left = cfg.Firewall.IPv6 == config.IPv6Off && reachedOverIPv6()
	for _, f := range cidr.Families {
		set, err := setStatus(kernel, setName(cfg, f), f, record.Sets[f])
		if err != nil {
			return nil, err
		}
		set.Drops = s.Rules.drops(set.Name)
		set.noteUsers(ctx, kernel)
		s.Sets = append(s.Sets, set)
	}
	for _, f := range cfg.Feeds {
		status := feedStatus(store, f, now)
		if agent != nil {
			status.Next, status.Fetching = agent.Next[f.Name], slices.Contains(agent.FetchingFeeds, f.Name)
		}
		status.adviseFetch(agent != nil)
		if status.Problem != nil {
			status.Problem.Remedy = s.Mended(status.Problem.Remedy)
		}
		s.Feeds = append(s.Feeds, status)
	}
	for _, f := range cidr.Families {
		set, err := banSetStatus(kernel, cfg.BanSetName(int(f)), f)
		if err != nil {
			return nil, err
		}
		set.Drops = s.Rules.drops(set.Name)
		s.BanSets = append(s.BanSets, set)
	}
	s.bansUnkept, s.bansLost = UnkeptBans(cfg), lostBans(cfg)
	if s.Bans = book.active(); book == nil { // else it is the agent who asks
		var bans []Ban
		bans, s.banNotes, err = ReadBans(cfg)
		s.Bans, s.bansUnread = len(bans), problemIf(err)
	}
	if cfg.Report.Enabled {
		s.Reports = ReadOutbox(cfg, now)
	}
	s.StateFolder, s.RunFolder = stateFolderOf(cfg, agent), runFolder(cfg).trouble()
	s.DropLog = DropLogNote(cfg)
	s.Saved = SavedRenamed(facts.SavedRules("/"), cfg)
	kept, keptErr := readKept(store, cfg, false)
	s.Kept = kept
	s.judge(now)
	if err := errors.Join(unread, keptErr); err != nil {
		s.problem(problemOf(err).Remedy, "%v", err)
	}
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

// banSetStatus looks at one set of bans.
func banSetStatus(kernel *ipsetsync.Kernel, name string, f cidr.Family) (SetStatus, error) {
	s, err := setStatus(kernel, name, f, setPrint{})
	if !s.Exists || err != nil {
		return s, err
	}
	h, err := kernel.Header(name)
	s.Ours = err == nil && ipsetsync.CheckBanSet(h, f) == nil
	return s, nil
}

func feedStatus(store *fetch.Store, f config.Feed, now time.Time) FeedStatus {
	s := FeedStatus{Name: f.Name, Source: f.Path, file: f.URL == ""}
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
		s.Entries, s.Rejects, s.FetchedAt = m.Entries, m.Rejects, m.FetchedAt
		c.Close()
	case isAbsent(err):
		s.Problem = s.neverGot()
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
	s.ContentChanged = state.ContentChanged
	s.Stale = f.URL != "" && stale(s.LastSuccess, now, f.Schedule)
	s.Frozen = f.URL != "" && s.Held == nil && frozen(s.ContentChanged, s.LastSuccess, f)
	return s
}

// never reports whether there has never been a copy.
func (f *FeedStatus) never() bool { return f.LastSuccess.IsZero() && f.FetchedAt.IsZero() }

// Untried reports whether nothing is known of any attempt to get it.
func (f *FeedStatus) Untried() bool { return f.never() && f.LastAttempt.IsZero() }

// NeverWords say so.
func (f *FeedStatus) NeverWords() string {
	if f.file {
		return "was never read, or no copy of it could be kept"
	}
	return "was never fetched"
}

// why is what went wrong with it in words, behind a colon; empty if nothing is known but that
// there has never been a copy.
func (f *FeedStatus) why() string {
	switch {
	case f.Problem == nil || f.Problem.Error == f.neverGot().Error:
		return ""
	case f.Failures > 1:
		return fmt.Sprintf(": failed %s times: %s", humanize.Comma(int64(f.Failures)), f.Problem.Error)
	}
	return ": " + f.Problem.Error
}

func (f *FeedStatus) neverGot() *Problem {
	return &Problem{Reason: string(fetch.ReasonAbsent), Error: "it " + f.NeverWords(), Remedy: runSync}
}

// adviseFetch says what fetches a feed once its trouble is mended: an agent does so by
// itself, and without one nobody knows of it before the next sync.
func (f *FeedStatus) adviseFetch(agentRuns bool) {
	switch {
	case f.Problem == nil:
		return
	case !agentRuns && !strings.Contains(f.Problem.Remedy, "voipbl sync"):
		f.Problem.Remedy += andSync
		return
	case !agentRuns || f.Problem.Remedy != runSync:
		return
	}
	f.Problem.Remedy = "nothing: the agent fetches it when it is due"
	if f.Fetching {
		f.Problem.Remedy = "nothing: the agent is fetching it now"
	}
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
