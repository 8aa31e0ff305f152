package blocklist

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// Outcome is the result of a sync in one word.
type Outcome string

const (
	InForce  Outcome = "in-force"  // everything is in force, and every feed is fresh
	Stale    Outcome = "stale"     // in force, but a feed is stale or held back
	DryRun   Outcome = "dry-run"   // nothing was written to the kernel
	Unsynced Outcome = "unapplied" // the kernel is as it was

	// RulesFailed: the sets hold the lists, but the rules are as they were.
	RulesFailed Outcome = "rules-failed"

	// Held: everything else is in force, but newer lists wait: see SyncReport.Held.
	Held Outcome = "held"
)

// SyncReport is what a sync did. "sync --json" prints it: fields may be added, but none is
// renamed or removed.
type SyncReport struct {
	Version string             `json:"version"`
	At      time.Time          `json:"at"`
	Outcome Outcome            `json:"outcome"`
	Feeds   []feeds.Report     `json:"feeds"`
	Bans    int                `json:"bans"`   // how many are in force; see BansProblem
	Exempt  []exempt.Protected `json:"exempt"` // what feeds list and is not blocked, because it is exempt

	// Unprotected are names of allow and trunks that have never been resolved, so the feeds
	// may block them.
	Unprotected []string `json:"unprotected,omitempty"`

	// NoHost are names of allow and trunks that resolve to an address that no host has, such
	// as 0.0.0.0. Their former addresses stay exempt.
	NoHost []string `json:"no_host,omitempty"`

	Kept []feeds.Kept `json:"kept,omitempty"` // of feeds whose last good copy is lost

	Overruled  bool             `json:"overruled,omitempty"`   // a running agent uses another configuration
	AgentError *problem.Problem `json:"agent_error,omitempty"` // an agent does not answer, or has died

	// Families has the family whose set could not be filled while the other's was.
	Families []problem.FamilyProblem `json:"families,omitempty"`

	// Saved are files of saved rules that use old names of sets; status reports the same.
	Saved []reach.SavedTrouble `json:"saved,omitempty"`

	// DropLog is why the lines of log_drops may not appear.
	DropLog *problem.Problem `json:"drop_log,omitempty"`

	// Impact is whom the lists cut off, or would, while this host talks with them. It is nil if
	// they block no more than before.
	Impact *impact.Report `json:"impact,omitempty"`

	// Held is why newer lists wait, or would. What was in force before them stays.
	Held *impact.Held `json:"held,omitempty"`

	// Spared are those on lists who are not blocked, since a call with them goes on.
	Spared []impact.Spared `json:"spared,omitempty"`

	decided   impact.Decision // the same three, before the change
	agentRuns bool

	Sets     []SetReport      `json:"sets"`
	Rules    *rules.Report    `json:"rules,omitempty"`
	Warnings []string         `json:"warnings"`
	Empty    *problem.Problem `json:"empty,omitempty"` // set if no entry of a list is, or would be, in the sets
	Error    *problem.Problem `json:"error,omitempty"` // why nothing was applied
	Steps    []state.StepTime `json:"steps"`

	// BansProblem is why the sets of bans may not hold what the list of bans says.
	BansProblem *problem.Problem `json:"bans_problem,omitempty"`

	// ListProblems are the problems of the state folder and of the lists of bans, allowed hosts
	// and registered phones: one cannot be read or written, so a boot would lose what is in
	// force. Status reports the same.
	ListProblems []problem.Problem `json:"list_problems,omitempty"`

	BansFound   []string `json:"-"` // what was wrong with the sets of bans
	PhonesFound []string `json:"-"` // the same of the sets of registered phones
	ForeignBans bool     `json:"-"` // somebody else made one of the sets of bans

	ForeignPhones bool `json:"-"` // the same of those of registered phones

	AllowedUntil time.Duration `json:"-"` // until the first "voipbl allow" ends; 0 if none ends
}

// NewSyncReport returns the report of a sync that begins now.
func NewSyncReport(version string) *SyncReport {
	return &SyncReport{
		Version: version, At: time.Now().UTC().Truncate(time.Second), Outcome: Unsynced,
		Feeds: []feeds.Report{}, Exempt: []exempt.Protected{}, Sets: []SetReport{}, Warnings: []string{}, Steps: []state.StepTime{},
	}
}

func (r *SyncReport) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, problem.OneLine(fmt.Sprintf(format, args...)))
}

// seek looks for what is in the way of the rules, and warns if not all of that is known.
func (r *SyncReport) seek(ctx context.Context) {
	if r.Rules == nil {
		return
	}
	told := len(r.Rules.Warnings)
	r.Rules.Seek(ctx)
	for _, w := range r.Rules.Warnings[told:] {
		r.warn("%s", w)
	}
}

// Troubled reports whether anything is wrong: a feed, the bans or the rules are not as they
// should be, newer lists wait, saved rules use an old name, the sets are empty, the agent does not answer, the
// list of bans or of allowed hosts cannot be read or written, or a name is unprotected.
func (r *SyncReport) Troubled() bool {
	rules := len(r.Saved) > 0 || len(r.familyProblems()) > 0 ||
		r.Rules != nil && (r.Rules.Problem != nil || len(r.Rules.Obstacles) > 0)
	lists := r.holdsNothing() || r.BansProblem != nil || len(r.ListProblems) > 0 ||
		slices.ContainsFunc(r.Feeds, func(f feeds.Report) bool { return f.Problem != nil || f.Unkept })
	names := len(r.Unprotected) > 0 || len(r.NoHost) > 0
	return r.Held != nil || r.Overruled || r.AgentError != nil || rules || lists || names
}

// familyProblems returns why one family is not protected, because of its set or its rules.
func (r *SyncReport) familyProblems() []problem.FamilyProblem {
	if r.Rules == nil {
		return r.Families
	}
	return slices.Concat(r.Families, r.Rules.Families)
}

// holdsNothing reports whether the sets are, or would be, empty.
func (r *SyncReport) holdsNothing() bool {
	return !slices.ContainsFunc(r.Sets, func(s SetReport) bool { return s.After > 0 })
}

// SetReport is what happened to one kernel set.
type SetReport struct {
	Name    string `json:"name"`
	Family  string `json:"family"`
	Before  int    `json:"before"` // entries; -1 if the set did not exist
	After   int    `json:"after"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Written bool   `json:"written"`       // false if the kernel already had it
	Why     string `json:"why,omitempty"` // why it was written although the entries are the same

	// Repaired is what somebody else had done to the set, if that is why it was written.
	Repaired string `json:"found,omitempty"`

	Plan    []string `json:"plan"`
	Lengths []int    `json:"lengths"` // prefix lengths of the entries after
	Share   float64  `json:"share"`   // of the family's address space

	// What the kernel held before, and holds now: the entries may be written in pieces, for
	// fewer prefix lengths. KernelBefore is -1 if the set did not exist.
	KernelBefore        int   `json:"kernel_before"`
	KernelAfter         int   `json:"kernel_after"`
	KernelLengthsBefore []int `json:"kernel_lengths_before"`
	KernelLengths       []int `json:"kernel_lengths"`
}

func setReport(p *ipsetsync.Plan) SetReport {
	r := SetReport{
		Name: p.Name, Family: p.Family.String(), Before: -1,
		After: p.Entries().Len(), Added: p.Added, Removed: p.Removed,
		Written: !p.Unchanged(), Why: p.Why, Share: p.Entries().Share(),
		Plan: []string{}, Lengths: p.OwnLengths(),
		KernelBefore: -1, KernelAfter: p.After.Pieces, KernelLengthsBefore: []int{}, KernelLengths: p.After.Lengths,
	}
	if p.Live != nil {
		r.Before, r.KernelBefore, r.KernelLengthsBefore = p.Before.Entries, p.Before.Pieces, p.Before.Lengths
	}
	for _, s := range p.Steps() {
		r.Plan = append(r.Plan, s.String())
	}
	return r
}

// noteUnreadable reports rules that cannot be listed, as status does. A sync does not have to
// list rules if none has changed, but sync and status must report the same.
func (r *SyncReport) noteUnreadable(ctx context.Context, cfg config.Config, fw *firewall.Firewall) error {
	if r.Rules == nil || len(r.Rules.Families) > 0 {
		return nil
	}
	saved, err := fw.Read(ctx)
	if err == nil && saved[iptables.IPv4].Trouble != nil && settings.WantsRules(cfg, iptables.IPv4) {
		err = &firewall.FamilyError{Family: iptables.IPv4, Err: saved[iptables.IPv4].Trouble}
	}
	if err != nil {
		if r.Outcome != DryRun {
			r.Outcome = RulesFailed
		}
		return err
	}
	if r.Rules.Families = rules.Unreadable(cfg, saved); len(r.Rules.Families) > 0 && r.Outcome == InForce {
		r.Outcome = Stale
	}
	return nil
}

// noteAround reports problems of the agent and the folders, as status does.
func (r *SyncReport) noteAround(ctx context.Context, cfg config.Config) {
	agent, err := state.AskStatus(ctx, cfg)
	r.agentRuns = agent != nil
	if err != nil && r.AgentError == nil {
		r.AgentError = problem.Of(err)
		r.warn("%v", err)
	}
	for _, p := range []*problem.Problem{state.StateFolderOf(cfg, agent), state.RunFolder(cfg).Trouble()} {
		if p != nil {
			r.ListProblems = append(r.ListProblems, *p)
		}
	}
}
