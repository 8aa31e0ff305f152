package blocklist

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/trial"
)

// restoreBans fills the sets of bans from the journal of bans. It runs before the lists: a ban
// that an older version put into their set must not lapse for a moment. If it fails, the
// report says so, and the lists are put in force all the same.
func (e *Enforcement) restoreBans(ctx context.Context, report *SyncReport, exempt *exempt.Protection) {
	if e.Book == nil {
		e.Book = &bans.Book{Cfg: e.Cfg}
	}
	found, notes, err := e.Book.Sync(ctx, e.Cfg, e.Kernel, bans.ExemptFrom(exempt), e.verb, e.wait, e.dryRun)
	for _, n := range notes {
		report.warn("%s", n)
	}
	report.BansProblem, report.BansFound = problem.If(err), found
	report.ForeignBans = errors.As(err, new(*ipsetsync.ForeignSetError))
	report.Bans = e.Book.Active()
	if bans.UnkeptBans(e.Cfg) {
		report.ListProblems = append(report.ListProblems, bansUnwritten)
	}
	for _, p := range []*problem.Problem{e.Book.DamagedOlder(), problem.If(e.Book.Unread), exempt.AllowedProblem} {
		if p != nil {
			report.ListProblems = append(report.ListProblems, *p)
		}
	}
	if err != nil && !e.dryRun {
		setnames.EnsureBanSets(e.Cfg, e.Kernel) // the rules name them; BansProblem has the error
	}
}

// readPhones returns the list of registered phones. If it is damaged, a new one begins. It reports
// what is wrong with the list and its sets.
func (e *Enforcement) readPhones(ctx context.Context, report *SyncReport) known.List {
	if !e.dryRun {
		note, err := known.Mend(ctx, e.Cfg, e.verb, e.wait)
		if note != "" {
			report.warn("%s", note)
		}
		if err != nil {
			report.warn("the list of registered phones stays damaged: %v", err)
		}
	}
	phones, p := known.Read(e.Cfg)
	if p != nil {
		report.ListProblems = append(report.ListProblems, *p)
	}
	if foreign := foreignPhones(e.Cfg, e.Kernel); foreign != nil {
		report.ForeignPhones = true
		report.ListProblems = append(report.ListProblems, *foreign)
	}
	return phones
}

// settlePhones fills the sets of registered phones. If it fails, the report says so, and the limits
// of base rules apply to phones as to others.
func (e *Enforcement) settlePhones(ctx context.Context, report *SyncReport) {
	found, err := known.Settle(ctx, e.Cfg, e.Kernel, e.verb, e.wait, e.dryRun)
	report.PhonesFound = found
	if unkept := known.Unkept(e.Cfg); unkept != nil {
		report.ListProblems = append(report.ListProblems, *unkept)
	}
	if err != nil && !report.ForeignPhones {
		report.warn("the sets of registered phones are not up to date: %s: %s", problem.Line(err), problem.RemedyOf(err))
	}
}

// undropped returns the bans that an older version put into the set of the lists and that
// must stay there: a rule drops that set, but the set of bans is unusable, or has no rule and
// gets none now.
func (e *Enforcement) undropped(report *SyncReport, lives [2]*ipsetsync.Live) (stay cidr.Sets) {
	unusable := report.BansProblem != nil
	if !e.setsOnly && !settings.LeavesRules(e.Cfg) && !unusable {
		return stay // see dropBansFirst
	}
	for _, f := range cidr.Families {
		list, err := e.header(e.Cfg.SetName(int(f)))
		if err != nil || list.References == 0 {
			continue
		}
		bans, err := e.Kernel.Header(e.Cfg.BanSetName(int(f)))
		if err == nil && bans.References > 0 && !unusable {
			continue
		}
		live := feeds.LiveSets(lives)[f]
		stay[f] = live.Subtract(live.Subtract(e.Book.Banned()[f]))
	}
	return stay
}

// dropBansFirst applies the rules that drop banned addresses before the lists change, if only
// the lists have rules: an older version kept bans in the set of the lists.
func (e *Enforcement) dropBansFirst(ctx context.Context, r *rules.Hold) error {
	if e.setsOnly || settings.LeavesRules(e.Cfg) {
		return nil
	}
	for _, f := range cidr.Families {
		list, err := e.header(e.Cfg.SetName(int(f)))
		if err != nil || list.References == 0 {
			continue
		}
		bans, err := e.Kernel.Header(e.Cfg.BanSetName(int(f)))
		if err != nil || bans.References > 0 || bans.Elements == 0 {
			continue
		}
		unlock, err := state.Lock(ctx, e.Cfg.RunDir, state.RulesLock, e.verb, e.wait, nil)
		if err != nil {
			return err
		}
		defer unlock()
		if _, err := r.EnsureSets(); err != nil {
			return err
		}
		_, _, err = trial.SettleAndEnsure(ctx, r, rules.How{Unattended: true, Established: true})
		if _, partly := firewall.Partly(err); partly {
			return nil // a problem of one family is reported when all rules are applied
		}
		return err
	}
	return nil
}
