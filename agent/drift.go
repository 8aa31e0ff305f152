package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/trial"
)

// This file finds drift and repairs it. Others change the firewall too: a flush, a restored
// ruleset, a rule above voipbl's, a destroyed set.
//
// On nf_tables the kernel sends news of each change of rules, and has a number that changes with
// it. Legacy tables have a digest, which is read every few seconds. For sets there is a quick
// check of their headers: the number of entries and, for large sets, the memory, which tells
// whether it is the same set. For a header the kernel goes through all entries, so the quick check of
// a large set asks whether a few entries are still in it, and reads the header once a minute. One
// entry exchanged for another is only found by the full check, which reads all entries now and then.

const (
	// listEvery is how often rules are listed where the kernel does not say whether they have
	// changed. It takes two runs of a tool, 5 ms.
	listEvery = 10 * time.Second

	// legacyEvery is how often legacy tables are read, of whose changes the kernel sends no news.
	legacyEvery = 5 * time.Second

	// glancePause, times the number of entries, is added to a tick for the pause between two quick
	// checks of the sets, up to maxGlance: for the header of 71,642 entries the kernel takes 1.2 ms
	// (measured). A repair must come within 15 seconds.
	glancePause = 3 * time.Microsecond
	maxGlance   = 12 * time.Second

	// headerAge is how old the header of a large set may be of which a sample is still in the kernel.
	// It is read at the next quick check then, so that a repair comes within a minute. For a million
	// entries that takes 17 ms (measured), and asking for the sample 0.15 ms.
	headerAge = 45 * time.Second

	// studyPause, times the number of entries, is the pause between two full checks of the
	// sets. An entry costs 0.18 µs (measured), so they take 1/8000 of the time. For 71,642
	// entries the pause is 100 s, up to the next quick check. Small sets, of which the quick check
	// sees less, are fully checked each time.
	studyPause = 1400 * time.Microsecond

	// minNewsPause is the pause after news of changed rules, to collect the news of one
	// change. It doubles, up to a tick, with each check that finds nothing wrong, since some
	// programs change their own rules all the time. After calmNews it is short again.
	minNewsPause = 200 * time.Millisecond
	calmNews     = time.Minute
)

// drift is what the daemon knows of the kernel's state.
type drift struct {
	fw         *firewall.Firewall
	generation string // of the rules, when they were last right
	other      string // the same of the other backend, whose rules may decide where the drop stands
	pending    bool   // rules are on trial
	record     state.SetRecord
	pace       pace
	entries    int               // of both sets, as the lists have them
	inKernel   int               // the same as the kernel has them
	kernel     *ipsetsync.Kernel // see sets; nil until it is needed
	headers    ipsetsync.Headers // of the sets, as the checks have read them
	large      uint32            // sets with more entries are large: see headerAge
	samples    [2]setSample      // of the large sets

	lookedAt  time.Time     // when rules were last read because of news
	newsPause time.Duration // see minNewsPause

	settled time.Time         // when what each list has stopped was last written down
	stopped []ipsetsync.Count // what entries had counted at a full check, to be written down

	counted   uint64 // packets counted at the last full check
	countedAt time.Time
}

// setSample is some entries of a set, as the last full check has read them.
type setSample struct {
	of string // [state.SetPrint.Digest] of that set
	in ipsetsync.Sample
}

// looked restarts all intervals, since everything was just checked.
func (d *daemon) looked(now time.Time) {
	d.glanced(now)
	d.agenda.set(rulesTask, d.rulesNext(now))
	if !d.agenda.planned(studyTask) {
		d.agenda.set(studyTask, d.agenda.beat(now))
	}
}

// glanced plans the next quick check of the sets.
func (d *daemon) glanced(now time.Time) { d.agenda.set(glanceTask, now.Add(d.glanceEvery())) }

// studied plans the next full check of the sets.
func (d *daemon) studied(now time.Time) { d.agenda.set(studyTask, now.Add(d.studyEvery())) }

// glanceEvery is the pause between two quick checks of the sets.
func (d *drift) glanceEvery() time.Duration {
	return min(tick+time.Duration(d.inKernel)*glancePause, maxGlance)
}

// studyEvery is the pause between two full checks of the sets.
func (d *drift) studyEvery() time.Duration {
	return min(max(tick, time.Duration(d.inKernel)*studyPause), bans.MaxStudy)
}

// rulesNext is when the rules are looked at without news of a change.
func (d *daemon) rulesNext(now time.Time) time.Time {
	if d.fw != nil && d.fw.Backend == firewall.Legacy {
		return now.Add(legacyEvery)
	}
	return d.agenda.beat(now)
}

// sets returns the loop's connection to the kernel's sets, which stays open.
func (d *daemon) sets() (*ipsetsync.Kernel, error) {
	if d.kernel != nil && !d.kernel.Broken() {
		return d.kernel, nil
	}
	d.closeSets()
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	kernel.Share(&d.headers, 0)
	d.kernel = kernel
	return kernel, nil
}

func (d *daemon) closeSets() {
	if d.kernel != nil {
		d.kernel.Close()
		d.kernel = nil
	}
}

// remembered notes what an apply has put into the kernel.
func (d *daemon) remembered(e *blocklist.Enforcement, report *blocklist.SyncReport) {
	d.fw = e.Fw
	d.rulesSeen(report.Rules)
	d.record = e.After // not read from the file, which may not be writable
	d.entries, d.inKernel = 0, 0
	d.settled = time.Now()
	for _, s := range report.Sets {
		d.entries += s.After
		d.inKernel += s.KernelAfter
	}
}

// lookSoon plans a check of the rules, since they may have changed.
func (d *daemon) lookSoon(now time.Time) {
	if now.Sub(d.lookedAt) > calmNews {
		d.newsPause = minNewsPause
	}
	d.agenda.sooner(rulesTask, now.Add(d.newsPause))
}

// lookAtSets checks whether the sets are as voipbl last wrote them. With through it makes the
// full check, otherwise the quick one.
func (d *daemon) lookAtSets(ctx context.Context, through bool) {
	if !d.record.Known(d.cfg) {
		return
	}
	kernel, err := d.sets()
	if err != nil {
		d.log.Warn("the sets cannot be looked at", "error", err)
		return
	}
	found := d.setsDiffer(kernel, through)
	if found == "" {
		d.settleStopped(ctx)
		return
	}
	// Another voipbl process may have written the sets, and be about to note that.
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.SetsLock, "voipbl run, looking", state.LookWait, nil)
	if err != nil {
		return // the process that has the lock for so long repairs them, or the next check does
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

// setsDiffer says what is wrong with the sets; "" if nothing is.
func (d *daemon) setsDiffer(kernel *ipsetsync.Kernel, through bool) string {
	packets, settle := uint64(0), through && d.settleDue(time.Now())
	d.stopped = nil
	for _, f := range cidr.Families {
		print := d.record.Sets[f]
		if !d.record.Knows(d.cfg, f) {
			continue
		}
		doubt := false
		if !through {
			var found string
			if found, doubt = d.glance(kernel, f); found != "" {
				return found
			}
			if !doubt {
				continue
			}
		}
		read := kernel.Content
		if settle {
			read = d.readCounts(kernel)
		}
		c, err := read(print.Name)
		if err != nil {
			return print.Glance(ipsetsync.Header{}, err)
		}
		if found := cmp.Or(print.Glance(c.Header, nil), print.Study(c)); found != "" {
			return found
		}
		d.samples[f] = setSample{of: print.Digest}
		if !doubt { // otherwise an entry had gone and come back: the headers are read until the next full check
			d.samples[f].in = c.Sample
		}
		packets += c.Packets
	}
	if through {
		d.rate(packets, time.Now())
	}
	return ""
}

// glance is the quick check of one set. doubt says that an entry was missing before it read the header:
// if that says nothing, only the full check can tell.
func (d *daemon) glance(kernel *ipsetsync.Kernel, f cidr.Family) (found string, doubt bool) {
	print := d.record.Sets[f]
	if print.Elements <= d.large {
		return print.Glance(kernel.HeaderNow(print.Name)), false
	}
	if d.samples[f].of != print.Digest { // it was written again: the full check takes a sample, at the next beat
		d.samples[f] = setSample{of: print.Digest}
		d.agenda.sooner(studyTask, d.agenda.beat(time.Now()))
	}
	h, doubt, err := kernel.HeaderWhile(print.Name, d.samples[f].in, headerAge)
	if found = print.Glance(h, err); found != "" { // the same entries may be in a new set since that header was read
		found = print.Glance(kernel.HeaderNow(print.Name))
	}
	return found, doubt
}

// rate notes how fast the entries' packet counters grow.
func (d *daemon) rate(packets uint64, now time.Time) {
	if took := now.Sub(d.countedAt).Seconds(); !d.countedAt.IsZero() && packets >= d.counted && took > 0 {
		rate := &state.DropRate{PerSecond: float64(packets-d.counted) / took, Seconds: took}
		d.state.change(func(s *state.AgentStatus) { s.Drops = rate })
	}
	d.counted, d.countedAt = packets, now
}

// lookAtRules checks the rules, and repairs them if they have changed.
func (d *daemon) lookAtRules(ctx context.Context, now time.Time) {
	d.agenda.set(rulesTask, d.rulesNext(now))
	if d.fw == nil {
		return // nothing was applied yet
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
		d.warn("rules", []string{fmt.Sprintf("the rules could not be repaired: %v: %s", err, problem.Of(err).Remedy)})
		d.applySoon("the rules could not be repaired", applyPause) // a set may be missing
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

// setGoneError says that a set which the rules name does not exist.
type setGoneError struct{ name string }

func (e *setGoneError) Error() string { return "the set " + e.name + " is gone" }

// missingSet returns the name of a set of the lists that no longer exists, so that no rule can
// name it; "" if there is none.
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

// ensureRules applies the rules, if they are not as they should be.
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
		d.agenda.set(bansTask, time.Now()) // the new sets may be empty
	}
	held := rules.Open(d.cfg, h.Fw, h.Kernel, h.Store)
	defer held.Close()
	held.Trunks = exempt.HostPrefixes(exempt.TrunkHosts(d.cfg), answers.Answers)
	report, warnings, err := trial.SettleAndEnsure(ctx, held, rules.How{Unattended: true, Established: true})
	d.warn("ensure", warnings)
	return report, err
}

// rulesSeen notes that the rules are now right, and logs what was repaired.
func (d *daemon) rulesSeen(report *rules.Report) {
	if report == nil {
		return
	}
	d.generation, d.other = report.Generation, report.Other
	d.pending = report.Pending != nil
	if report.Moves && report.Written {
		d.log.Info("drop moved", "to", report.DropAt, "why", report.DropWhy)
	}
	if !report.Repaired {
		return
	}
	d.newsPause = minNewsPause
	// First the changes that opened the host, which matter most.
	changes := slices.Clone(report.Changes)
	slices.SortStableFunc(changes, func(a, b firewall.Change) int {
		switch {
		case a.Base() == b.Base():
			return 0
		case b.Base():
			return -1
		}
		return 1
	})
	var found []string
	for _, c := range changes {
		found = append(found, changeFound(c))
	}
	d.repaired(state.RepairRules, found)
}

// warnOfFamilies logs, once, which family's sets or rules are not as they should be.
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
