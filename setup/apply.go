package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
	"github.com/voipbl/voipbl/trial"
)

// putInForce writes the configuration, fetches the lists and applies the rules. New base rules go on
// trial after the lists are fetched, since fetching may take longer than a trial.
func (s *setup) putInForce(ctx context.Context, p *advise.Proposal) error {
	cfg := p.Config
	if _, err := config.Parse(s.ConfigFile, p.Text); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if err := s.follow(ctx, cfg, true); err != nil {
		return err
	}
	if cfg.Firewall.Base && s.JSON {
		if err := s.showRules(ctx, p); err != nil {
			return err
		}
	}
	if cfg.Firewall.Base {
		if err := s.mayApply(ctx, cfg); err != nil {
			return err
		}
	}
	if p.Changed {
		if err := configfile.Unedited(s.ConfigFile, s.old, "voipbl setup"); err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: err}
		}
		backup, err := configfile.Write(s.ConfigFile, s.old, p.Text, time.Now())
		s.report.Backup = backup
		if err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: fmt.Errorf("configuration: %w", err)}
		}
		s.report.Written = s.ConfigFile
	}
	s.report.Outcome = outcomeNotApplied
	if err := s.follow(ctx, cfg, false); err != nil {
		return err
	}
	steps := []func(context.Context, config.Config) error{s.fetch}
	switch {
	case cfg.Firewall.Base && !s.baseWas:
		steps = append(steps, s.try)
	case cfg.Firewall.Base:
		steps = []func(context.Context, config.Config) error{s.try, s.fetch}
	}
	for _, step := range steps {
		if err := step(ctx, cfg); err != nil {
			return err
		}
	}
	stays := s.takeOutScript(ctx, cfg)
	left := s.connectAsterisk(ctx)
	switch {
	case s.untidy() || stays || left:
		s.report.Outcome = outcomeTroubled
		return &exit.Error{Code: exit.Stale}
	case s.pending():
		s.report.Outcome = outcomeOnTrial
	default:
		s.report.Outcome = outcomeInForce
	}
	return nil
}

// follow has a running agent reload the new configuration, so that it does not undo the steps that
// come next. With dryRun it only finds out whether the agent would.
func (s *setup) follow(ctx context.Context, cfg config.Config, dryRun bool) error {
	_, err := takeover.Follow(ctx, cfg, takeover.Following{File: s.ConfigFile, MayLose: s.mayLose(), DryRun: dryRun, Timeout: s.Wait})
	if err == nil || errors.As(err, new(*state.SilentAgentError)) { // the sync reports this
		return nil
	}
	return &exit.Error{Code: exit.NotApplied, Err: err}
}

// mayLose is how much protection the agent may take away: on a terminal anything, since the admin
// has seen and accepted all of it.
func (s *setup) mayLose() state.MayLose {
	if s.asks != nil {
		return state.LoseAny
	}
	return state.LoseNothing
}

// mayApply finds out, before anything is written, whether base rules would be refused, for example
// because they would lock somebody out.
func (s *setup) mayApply(ctx context.Context, cfg config.Config) error {
	report, err := trial.Apply(ctx, cfg, trial.ApplyOptions{DryRun: true, MayLose: s.mayLose(), Wait: s.Wait, Waiting: s.ShowWaiting})
	if err == nil && report.Problem != nil {
		err = report.Problem.Err()
	}
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	return nil
}

func (s *setup) pending() bool { return s.report.Applied != nil && s.report.Applied.Pending != nil }

// untidy reports whether a list or the rules are in trouble. Rules on trial are no trouble, nor are
// sets that were empty when the rules were applied: the sync has filled them since.
func (s *setup) untidy() bool {
	applied := s.report.Applied
	return s.report.Sync.Troubled() || applied != nil && (len(applied.Obstacles) > 0 || len(applied.Families) > 0)
}

// fetch runs a sync. It leaves alone base rules that will go on trial.
func (s *setup) fetch(ctx context.Context, cfg config.Config) error {
	progress := screen.NewProgress(s.Err)
	opts := feeds.Options{Version: s.Version, ConfigFile: s.ConfigFile, LeaveBase: !s.baseWas, Wait: s.Wait, Waiting: s.ShowWaiting, Progress: progress.Show}
	report, err := blocklist.Sync(ctx, cfg, opts)
	progress.Clear()
	s.report.Sync = report
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: the configuration is written, but not in force")
	}
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	show.Troubles(s.Screen, report)
	if !s.JSON {
		for _, set := range report.Sets {
			fmt.Fprintf(s.Out, "the set %s holds %s\n", set.Name, screen.Plural(set.After, "entry", "entries"))
		}
		show.SyncRules(s.Screen, report)
	}
	return nil
}

// try applies the rules, as "voipbl firewall apply" does.
func (s *setup) try(ctx context.Context, cfg config.Config) error {
	report, err := trial.Apply(ctx, cfg, trial.ApplyOptions{
		ConfigFile: s.ConfigFile, Confirm: s.Confirm, Wait: s.Wait, Waiting: s.ShowWaiting, Rollback: s.Rollback(cfg),
	})
	s.report.Applied = report
	if err == nil && report.Problem == nil {
		show.Applied(ctx, s.Screen, cfg, report, false)
	}
	if report != nil {
		for _, w := range report.Warnings {
			fmt.Fprintln(s.Err, "voipbl: "+screen.Clean(w))
		}
		show.Families(s.Screen, report.Families)
		show.Obstacles(s.Screen, report.Obstacles)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exit.Error{Code: exit.NotApplied, Err: errors.New("interrupted: the rules are as they were")}
	case err != nil:
		return &exit.Error{Code: exit.NotApplied, Err: err}
	case report.Problem != nil:
		return &exit.Error{Code: exit.NotApplied, Err: report.Problem.Err()}
	}
	return nil
}

// finish prints the outcome and what to do next.
func (s *setup) finish(p *advise.Proposal, agreed bool) {
	next := func(format string, args ...any) { s.report.Next = append(s.report.Next, fmt.Sprintf(format, args...)) }
	switch {
	case !agreed && s.report.Base.Refused:
		next("fix what is reported above, then run \"%s\" again", s.Command())
	case !agreed && s.asks != nil:
		next("to answer differently, run \"%s\" again", s.Command())
	case !agreed:
		next("\"%s\" writes and applies it; without --yes, on a terminal, it asks", s.Command("--yes"))
	case s.report.Outcome == outcomeNotApplied && s.report.Written != "":
		next("fix what is reported above, then run \"%s\" again", s.Command())
	case s.pending():
		next("log in once more, over a new connection, and type \"voipbl firewall confirm\" before %s", s.report.Applied.Pending.Deadline.Local().Format(time.TimeOnly))
	}
	if agreed && s.report.Outcome != outcomeNotApplied && s.report.Outcome != outcomeProposed {
		if unit := s.report.Facts.Agent; unit == nil || !unit.AtBoot {
			next("\"systemctl enable --now voipbl\" keeps the lists fresh, and all this after a boot")
		}
		if line := s.connectNext(); line != "" {
			next("%s", line)
		}
		next("\"voipbl doctor\" finds what else weakens the protection")
	}
	if line := s.scriptNext(); line != "" {
		next("%s", line)
	}
	if s.asks == nil && !p.Config.Firewall.Base && s.report.Base.Advice == advise.BaseRecommended {
		next("\"%s\" makes voipbl the whole firewall, on trial at first", s.Command("--yes", "--base"))
	}
	for _, c := range p.Choices {
		if c.State == advise.ByHand {
			next("by hand: %s: %s", c.Key, c.Why)
		}
	}
	if s.JSON {
		return
	}
	if agreed || s.asks != nil { // otherwise the output so far ends with an empty line
		fmt.Fprintln(s.Out)
	}
	if s.report.Written != "" {
		fmt.Fprintf(s.Out, "written: %s\n", s.report.Written)
	}
	if s.report.Backup != "" {
		fmt.Fprintf(s.Out, "  the old one is %s\n", s.report.Backup)
	}
	switch s.report.Outcome {
	case outcomeProposed:
		fmt.Fprintln(s.Out, "nothing was changed")
	case outcomeInForce:
		fmt.Fprintln(s.Out, s.Paint("in force", screen.Green))
	case outcomeOnTrial:
		fmt.Fprintln(s.Out, s.Paint("in force", screen.Yellow)+", the base rules on trial")
	case outcomeTroubled:
		trial := ""
		if s.pending() {
			trial = ", the base rules on trial"
		}
		fmt.Fprintln(s.Out, s.Paint("in force", screen.Yellow)+trial+", but not everything is as it should be: see above")
	case outcomeNotApplied:
		fmt.Fprintln(s.Out, s.Paint("not applied", screen.Red))
	}
	for i, line := range s.report.Next {
		if i == 0 {
			fmt.Fprintln(s.Out, "next:")
		}
		fmt.Fprintln(s.Out, "  "+screen.Clean(line))
	}
}

// printFacts prints in a few lines what was found on the host.
func (s *setup) printFacts() {
	f := s.report.Facts
	t := screen.Table{}
	var networks, pbxs, owners []string
	for _, n := range f.Networks {
		if !n.Container {
			networks = append(networks, fmt.Sprintf("%s (%s)", n.Addr, n.Interface))
		}
	}
	for _, p := range f.PBXs {
		pbxs = append(pbxs, strings.TrimSpace(p.Name+" "+p.Version)+map[bool]string{true: "", false: " (not running)"}[p.Running])
	}
	owners = advise.Owners(f, s.owners)
	rows := []struct {
		name string
		all  []string
	}{{"addresses", networks}, {"PBX", pbxs}, {"other firewalls", owners}, {"fail2ban", bansInto(f.Fail2ban)}}
	if lists := s.report.OtherLists; len(lists) > 0 {
		rows = append(rows, struct {
			name string
			all  []string
		}{"other blocklists", lists})
	}
	for _, r := range rows {
		for i := range max(1, len(r.all)) {
			name, value := "", "none"
			if i == 0 {
				name = r.name
			}
			if i < len(r.all) {
				value = r.all[i]
			}
			t.Row(name, screen.Clean(value))
		}
	}
	if f.Docker != nil {
		t.Row("Docker", map[bool]string{true: "running", false: "not running"}[f.Docker.Running])
	}
	t.Print(s.Out)
	for _, u := range f.Unknown {
		fmt.Fprintf(s.Err, "voipbl: %s could not be looked at: %s\n", screen.Clean(u.What), screen.Clean(u.Error))
	}
	fmt.Fprintln(s.Out)
}

// printChoices prints each key with its value and the reason, except for the choices in before,
// which were shown already.
func (s *setup) printChoices(p *advise.Proposal, before ...advise.Choice) {
	fmt.Fprintln(s.Out, "proposed (+ is new, ! is for you to decide):")
	for _, c := range p.Choices {
		if slices.Contains(before, c) {
			continue
		}
		if c.Key == advise.KeyBase && s.asksBase() {
			c.Why += "; asked below"
		}
		mark := map[advise.State]string{advise.Set: "+", advise.ByHand: "!", advise.Missing: "!"}[c.State]
		fmt.Fprintf(s.Out, "%1s %s: %s\n      %s\n", mark, c.Key, screen.Clean(c.Value), screen.Clean(c.Why))
	}
	for i, lost := range s.report.TakesAway {
		if i == 0 {
			fmt.Fprintln(s.Out, "the running agent has not reloaded the file, since that would take away:")
		}
		fmt.Fprintln(s.Out, "  "+screen.Clean(lost))
	}
	fmt.Fprintln(s.Out)
}

// bansInto describes, for each jail, what it bans into.
func bansInto(f *fail2ban.Facts) []string {
	if f == nil {
		return nil
	}
	switch {
	case f.Silent:
		return []string{"running, and does not answer"}
	case !f.Running:
		return []string{"not running"}
	case len(f.Jails) == 0:
		return []string{"running, without a jail"}
	}
	var all []string
	for _, j := range f.Jails {
		var into []string
		for _, a := range j.Actions {
			into = append(into, strings.TrimSpace(string(a.Into)+" "+a.Target))
		}
		all = append(all, "jail "+j.Name+" bans into "+screen.OrNone(strings.Join(into, ", ")))
	}
	return all
}
