package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// This file is what the agent logs: each change, each failure, and a lasting problem once when it begins.
// That it has ended is logged, too, unless a change that is logged ends it.

// warn logs those of a subject's warnings that are new, and reports whether there were some and are none
// any more.
func (d *daemon) warn(subject string, warnings []string) (ended bool) {
	now := make(map[string]bool)
	for _, w := range warnings {
		key := subject + ": " + w
		if !d.said[key] && !now[key] {
			d.log.Warn(w)
		}
		now[key] = true
	}
	for key := range d.said {
		if !now[key] && strings.HasPrefix(key, subject+": ") {
			delete(d.said, key)
			ended = len(warnings) == 0
		}
	}
	for key := range now {
		if d.said == nil {
			d.said = make(map[string]bool)
		}
		d.said[key] = true
	}
	return ended
}

// warnIf is warn for one error; nil means that the problem has ended.
func (d *daemon) warnIf(subject string, err error) {
	if err == nil {
		d.warn(subject, nil)
		return
	}
	d.warn(subject, []string{err.Error()})
}

func (d *daemon) logFetch(f fetched) {
	for _, w := range f.warnings {
		d.log.Warn(w)
	}
	p := f.report.Problem
	if p == nil {
		args := []any{"feed", f.feed, "state", f.report.State, "entries", f.report.Entries, "seconds", rounded(f.took)}
		if f.report.Mirror != "" {
			args = append(args, "mirror", f.report.Mirror)
		}
		d.log.Info("fetched", args...)
		return
	}
	words := "feed is not fresh; its last good copy stays in force"
	if f.report.State == feeds.Missing {
		words = "feed is not fresh, and there is no copy of it"
	}
	d.log.Warn(words, "feed", f.feed, "state", f.report.State,
		"reason", p.Reason, "error", p.Error, "remedy", p.Remedy, "failures", f.attempts.failures)
}

func rounded(took time.Duration) float64 { return float64(took.Milliseconds()) / 1000 }

// logApply logs what an apply has changed.
func (d *daemon) logApply(r *blocklist.SyncReport, why string) {
	var found []string
	for _, s := range r.Sets {
		if s.Written && r.Outcome != blocklist.Unsynced {
			args := []any{"set", s.Name, "entries", s.After, "added", s.Added, "removed", s.Removed, "why", why}
			if s.Why != "" {
				args = append(args, "changed", s.Why)
			}
			d.log.Info("set written", args...)
		}
		if s.Repaired != "" && r.Outcome != blocklist.Unsynced {
			found = append(found, s.Repaired)
		}
	}
	if d.ready { // before that, changes are what a boot has removed
		found = append(append(found, r.BansFound...), d.phonesFound(r.PhonesFound)...)
	}
	if len(found) > 0 {
		d.repaired(state.RepairSets, found)
	}
	if rules := r.Rules; rules != nil && rules.Written && !rules.Repaired {
		d.log.Info("rules written", "changes", len(rules.Changes), "base", rules.Base, "drop", rules.DropAt, "drop_why", rules.DropWhy, "why", why)
	}
	d.logImpact(r.Impact)
	d.logHeld(r)
	warnings := slices.Clone(r.Warnings)
	for _, f := range r.Feeds {
		first := f.State == feeds.Missing && f.Problem != nil && f.Problem.Reason == string(fetch.ReasonAbsent) // its first fetch is about to begin
		if f.Problem != nil && f.State != feeds.Cached && !first {
			warnings = append(warnings, fmt.Sprintf("feed %s is %s (%s): %s: %s", f.Name, f.State, f.Problem.Reason, f.Problem.Error, f.Problem.Remedy))
		}
	}
	d.warnOfFamilies("sets", r.Families)
	if r.Rules != nil {
		d.warnOfFamilies("rules", r.Rules.Families)
	}
	if r.Rules != nil && r.Rules.Problem != nil {
		warnings = append(warnings, r.Rules.Problem.Error+": "+r.Rules.Problem.Remedy)
	}
	d.warn("apply", warnings)
	d.warn("rejects", rejectWords(r.Feeds))
}

// toldCutOff is how many addresses are logged that are cut off, or that are spared.
const toldCutOff = 5

// logImpact logs whom the lists have cut off while this host talked with them.
func (d *daemon) logImpact(r *impact.Report) {
	if !r.Any() {
		return
	}
	var words []string
	for _, c := range r.Addresses[:min(len(r.Addresses), toldCutOff)] {
		words = append(words, c.Words())
	}
	if more := r.MoreWords(toldCutOff); more != "" {
		words = append(words, more)
	}
	d.log.Warn("the lists cut off addresses that this host talks with", "addresses", strings.Join(words, "; "), "if_a_friend", r.Addresses[0].Remedy())
}

// logHeld logs that newer lists wait, or that somebody on a list is spared: once, and once when that ends.
func (d *daemon) logHeld(r *blocklist.SyncReport) {
	var held, spared []string
	if p := blocklist.HeldProblem(r.Held, true); p != nil {
		held = append(held, p.Error+": "+p.Remedy)
	}
	for _, c := range r.Spared[:min(len(r.Spared), toldCutOff)] {
		spared = append(spared, fmt.Sprintf("a list has an address that is spared until its call ends: %s; if it is an attacker: %s", c.Words(), c.Ban(true)))
	}
	if more := len(r.Spared) - toldCutOff; more > 0 {
		spared = append(spared, fmt.Sprintf("lists have %d more addresses that are spared until their calls end: \"voipbl status --json\" has them", more))
	}
	if d.warn("held", held) {
		d.log.Info("no lists wait any more")
	}
	if d.warn("spared", spared) {
		d.log.Info("no address on a list is spared any more")
	}
}

// toldRejects is how many of a feed's rejected lines are logged.
const toldRejects = 3

// rejectWords returns a line for each rejected line of feeds: a typo in a local list means an
// address that is not blocked.
func rejectWords(feeds []feeds.Report) (words []string) {
	for _, f := range feeds {
		for _, r := range f.Rejects[:min(len(f.Rejects), toldRejects)] {
			words = append(words, fmt.Sprintf("feed %s, %s line %d is left out: %q: %s", f.Name, r.File, r.Line, r.Text, r.Why))
		}
		n := 0
		for _, lines := range f.Rejected {
			n += lines
		}
		if more := n - toldRejects; more > 0 {
			words = append(words, fmt.Sprintf("feed %s: %d more lines are left out", f.Name, more))
		}
	}
	return words
}

// noteApply notes what status and metrics show of an apply.
func (d *daemon) noteApply(r *blocklist.SyncReport, err error) {
	rejected := make(map[string]map[string]int)
	for _, f := range r.Feeds {
		rejected[f.Name] = f.Rejected
	}
	d.state.change(func(s *state.AgentStatus) {
		if err != nil {
			s.ApplyError = problem.Of(err)
			s.Applies.Failed++
			return
		}
		s.ApplyError, s.Applied, s.Steps, s.Rejected = nil, r.At, r.Steps, rejected
		if slices.ContainsFunc(r.Sets, func(s blocklist.SetReport) bool { return s.Written }) {
			s.Applies.Written++
		} else {
			s.Applies.Unchanged++
		}
	})
	d.tellStatus()
}

// shoutEvery is how often a stale feed is logged again.
const shoutEvery = 24 * time.Hour

// firstFetch is how long the first fetch of a feed may take before it is logged.
const firstFetch = 10 * time.Minute

// shout logs feeds that have become stale or frozen, and those that no longer are. Otherwise
// nobody would notice a list that has stopped.
func (d *daemon) shout(_ context.Context, now time.Time) {
	d.agenda.set(shoutTask, now.Add(time.Minute))
	store, err := state.FindStore(d.cfg)
	if err != nil || store == nil {
		return
	}
	defer store.Close()
	still := make(map[string]time.Time)
	var frozen []string
	for _, s := range feeds.Statuses(store, d.cfg.Feeds, now) {
		if s.Frozen {
			frozen = append(frozen, fmt.Sprintf("feed %s is %s: %s", s.Name, s.FrozenWords(), feeds.FrozenRemedy))
		}
		fresh := s.LastSuccess.IsZero() && now.Sub(d.begun) < firstFetch
		if !s.Stale || fresh {
			continue
		}
		still[s.Name] = d.stale[s.Name]
		if now.Sub(still[s.Name]) >= shoutEvery {
			still[s.Name] = now
			args := []any{"feed", s.Name, "last_success", s.LastSuccess}
			if s.Problem != nil {
				args = append(args, "reason", s.Problem.Reason, "error", s.Problem.Error, "remedy", s.Problem.Remedy)
			}
			d.log.Error("feed is STALE: its entries in force are old", args...)
		}
	}
	for name := range d.stale {
		if _, yes := still[name]; !yes {
			d.log.Info("feed is no longer stale", "feed", name)
		}
	}
	d.warn("frozen", frozen)
	changed := len(still) != len(d.stale)
	d.stale = still
	if changed {
		d.tellStatus()
	}
}
