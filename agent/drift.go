package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// Others change the firewall too: a flush, a restored ruleset, a rule put above
// ours, a set destroyed. The agent looks for that and puts it right.
//
// On nf_tables the kernel says that some rule has changed, and has a number that
// moves with each change; of legacy tables there is a digest, which is asked for every
// few seconds. Of the sets a glance at their headers tells nearly everything: how many
// entries, and of large ones by the memory they take whether it is the same set. What
// it does not tell, an entry exchanged for another, is found by reading through them
// now and then.

const (
	// listEvery is how often rules are listed where the kernel does not tell
	// whether they have changed: two runs of a tool, 5 ms.
	listEvery = 10 * time.Second

	// glanceEvery is how often the headers of the sets are looked at. The kernel
	// counts all entries for each (measured: 1.2 ms for 71,642).
	glanceEvery = 9 * time.Second

	// studyPause is how long after one reading through the sets the next one is,
	// for each entry: an entry costs 0.18 µs (measured), so it takes an eight
	// thousandth of the time. For 71,642 that is every 100 s; small sets, of
	// which a glance tells less, are read with each tick.
	studyPause = 1400 * time.Microsecond

	// minNewsPause gathers the news of one change. It doubles, up to a tick, with
	// each look that finds nothing wrong: some programs change rules of their own
	// all the time. After calmNews it is short again.
	minNewsPause = 200 * time.Millisecond
	calmNews     = time.Minute
)

// drift is what the daemon knows about the kernel, and when it looks again.
type drift struct {
	fw         *firewall.Firewall
	generation string // of the rules, when they were last as they should be
	other      string // of the other backend then: its rules may decide where the drop stands
	pending    bool   // rules are on trial
	record     state.SetRecord
	pace       pace
	entries    int // of both sets

	lookedAt  time.Time     // when rules were last read because of news
	newsPause time.Duration // see minNewsPause

	counted   uint64 // packets, at the last study
	countedAt time.Time
}

// looked begins all intervals anew: everything was just looked at.
func (d *daemon) looked(now time.Time) {
	d.agenda.set(glanceTask, now.Add(glanceEvery))
	d.agenda.set(rulesTask, now.Add(tick))
	if !d.agenda.planned(studyTask) {
		d.agenda.set(studyTask, now.Add(tick))
	}
}

// remembered takes note of what an apply has put into the kernel.
func (d *daemon) remembered(e *blocklist.Enforcement, report *blocklist.SyncReport) {
	d.fw = e.Fw
	d.rulesSeen(report.Rules)
	d.record = e.After // the file may not be writable
	d.entries = 0
	for _, s := range report.Sets {
		d.entries += s.After
	}
}

// lookSoon looks at the rules, since something says that they have changed.
func (d *daemon) lookSoon(now time.Time) {
	if now.Sub(d.lookedAt) > calmNews {
		d.newsPause = minNewsPause
	}
	d.agenda.sooner(rulesTask, now.Add(d.newsPause))
}

// lookAtSets compares the sets with what was last put into them, by a glance or by
// reading through them.
func (d *daemon) lookAtSets(ctx context.Context, through bool) {
	if !d.record.Known(d.cfg) {
		return
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		d.log.Warn("the sets cannot be looked at", "error", err)
		return
	}
	defer kernel.Close()
	found := d.setsDiffer(kernel, through)
	if found == "" {
		return
	}
	// Another process of ours may have written them, or be about to write down
	// that it has.
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.SetsLock, "voipbl run, looking", state.LookWait, nil)
	if err != nil {
		return // whoever has the lock for so long puts them right, or the next glance does
	}
	defer unlock()
	before := d.record
	if d.record = state.LastRecord(d.cfg); !d.record.Known(d.cfg) {
		d.record = before
	}
	if found = d.setsDiffer(kernel, through); found != "" {
		d.record = before
		d.applySoon(found, max(0, time.Until(d.pace.ready())))
	}
}

// setsDiffer says in words what is wrong with the sets, if anything is.
func (d *daemon) setsDiffer(kernel *ipsetsync.Kernel, through bool) string {
	packets := uint64(0)
	for _, f := range cidr.Families {
		print := d.record.Sets[f]
		if !d.record.Knows(d.cfg, f) {
			continue
		}
		if !through {
			if found := print.Glance(kernel.Header(print.Name)); found != "" {
				return found
			}
			continue
		}
		c, err := kernel.Content(print.Name)
		if err != nil {
			return print.Glance(ipsetsync.Header{}, err)
		}
		if found := print.Study(c); found != "" {
			return found
		}
		packets += c.Packets
	}
	if through {
		d.rate(packets, time.Now())
	}
	return ""
}

// rate keeps how fast the entries count.
func (d *daemon) rate(packets uint64, now time.Time) {
	if took := now.Sub(d.countedAt).Seconds(); !d.countedAt.IsZero() && packets >= d.counted && took > 0 {
		rate := &state.DropRate{PerSecond: float64(packets-d.counted) / took, Seconds: took}
		d.state.change(func(s *state.AgentStatus) { s.Drops = rate })
	}
	d.counted, d.countedAt = packets, now
}

// lookAtRules puts the rules right, if they have changed.
func (d *daemon) lookAtRules(ctx context.Context, now time.Time) {
	d.agenda.set(rulesTask, now.Add(tick))
	if d.fw == nil {
		return // nothing is in force yet
	}
	if d.generation == "" {
		d.agenda.set(rulesTask, now.Add(listEvery))
	}
	if d.generation != "" && d.generation == d.fw.Generation() && d.other == d.fw.OtherGeneration() && !d.pending {
		return
	}
	if ready := d.pace.ready(); now.Before(ready) {
		d.agenda.set(rulesTask, ready)
		return
	}
	d.lookedAt, d.newsPause = now, min(max(2*d.newsPause, minNewsPause), tick)
	report, err := d.ensureRules(ctx)
	switch {
	case ctx.Err() != nil:
	case errors.As(err, new(*setGoneError)):
		d.applySoon(err.Error(), max(0, time.Until(d.pace.ready())))
	case err != nil:
		d.pace.note(now)
		d.warn("rules", []string{fmt.Sprintf("the rules could not be put right: %v: %s", err, problem.Of(err).Remedy)})
		d.applySoon("the rules could not be put right", applyPause) // a set may be missing
	default:
		d.warn("rules", nil)
		d.rulesSeen(report)
		before := maps.Clone(d.troubled)
		d.warnOfFamilies("rules", report.Families)
		if !maps.Equal(before, d.troubled) {
			d.tellStatus()
		}
	}
}

// setGoneError is a set not being there that the rules name.
type setGoneError struct{ name string }

func (e *setGoneError) Error() string { return "the set " + e.name + " is gone" }

// missingSet names a set of the lists that was there and is not any more: without it no
// rule can be made that names it.
func (d *daemon) missingSet(kernel *ipsetsync.Kernel) string {
	for _, f := range cidr.Families {
		if !d.record.Knows(d.cfg, f) {
			continue
		}
		if name := d.cfg.SetName(int(f)); state.IsGone(kernel.Kind(name)) {
			return name
		}
	}
	return ""
}

// ensureRules makes the rules what they should be.
func (d *daemon) ensureRules(ctx context.Context) (*rules.Report, error) {
	h, err := rules.OpenHandles(d.cfg)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	d.fw = h.Fw
	if err := h.OpenStore(true); err != nil {
		return nil, errors.Join(err, h.EnsureDrop(ctx))
	}
	answers := exempt.Resolve(ctx, h.Store, d.cfg, exempt.Lookups{Offline: true})
	if gone := d.missingSet(h.Kernel); gone != "" {
		return nil, &setGoneError{gone}
	}
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.RulesLock, "voipbl run", state.LockWait, nil)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if setnames.EnsureBanSets(d.cfg, h.Kernel) == nil { // the rules name them
		d.agenda.set(bansTask, time.Now()) // they may be empty
	}
	held := rules.Open(d.cfg, h.Fw, h.Kernel, h.Store)
	defer held.Close()
	held.Trunks = exempt.HostPrefixes(d.cfg.Firewall.Trunks, answers.Answers)
	report, warnings, err := held.SettleAndEnsure(ctx, rules.How{Unattended: true, Established: true})
	d.warn("ensure", warnings)
	return report, err
}

// rulesSeen takes note of rules that are as they should be, and of what was put
// right.
func (d *daemon) rulesSeen(report *rules.Report) {
	if report == nil {
		return
	}
	d.generation, d.other = report.Generation, report.Other
	d.pending = report.Pending != nil
	if !report.Repaired {
		return
	}
	d.newsPause = minNewsPause
	// First what opens the host, of which most is to be told.
	changes := slices.Clone(report.Changes)
	slices.SortStableFunc(changes, func(a, b firewall.Change) int { return int(one(a.Base()) - one(b.Base())) })
	var found []string
	for _, c := range changes {
		found = append(found, changeFound(c))
	}
	d.repaired(state.RepairRules, found)
}

// warnOfFamilies logs which family's sets or rules are not as they should be, once.
func (d *daemon) warnOfFamilies(what string, families []problem.FamilyProblem) {
	var words []string
	for _, p := range families {
		words = append(words, p.Error+": "+p.Remedy)
	}
	d.warn("family "+what, words)
	if d.troubled == nil {
		d.troubled = make(map[string]bool)
	}
	d.troubled[what] = len(families) > 0
}
