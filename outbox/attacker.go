package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// Options are the details of a report.
type Options struct {
	Version string
	Unban   bool // the address was unbanned
	Count   int  // failures that led to the ban
	DryRun  bool
}

// Report is the result of ReportAttacker.
type Report struct {
	Verdict
	DryRun   bool             `json:"dry_run"`
	Request  string           `json:"request,omitempty"` // with the serial hidden; empty if there is no request to make
	Due      time.Time        `json:"due,omitzero"`      // when it may be sent, if it waits
	Others   []Verdict        `json:"others"`            // outcomes of other addresses meanwhile
	Warnings []string         `json:"warnings"`
	Error    *problem.Problem `json:"error,omitempty"`
}

// ReportingOffError says that the configuration does not allow reports.
type ReportingOffError struct{}

func (*ReportingOffError) Error() string {
	return "nothing is reported: report.enabled is false in the configuration"
}

// Remedy says what to do about it.
func (*ReportingOffError) Remedy() string {
	return "write \"report: {enabled: true}\" if this host may tell VoIPBL who attacks it, or take voipbl report out of fail2ban's actions"
}

// refusedReportError says that VoIPBL refused a report for good.
type refusedReportError struct{ Verdict Verdict }

func (e *refusedReportError) Error() string {
	return fmt.Sprintf("%s (%s) was refused by %s", e.Verdict.Addr, e.Verdict.Kind, e.Verdict.Why)
}

// Remedy says what to do about it.
func (e *refusedReportError) Remedy() string { return reasonForbidden.Remedy() }

// ReportAttacker reports an address to VoIPBL that was banned or unbanned here. It writes the
// report down, and then sends what is due for at most a few seconds. The next call, or the
// agent, sends the rest.
func ReportAttacker(ctx context.Context, cfg config.Config, prefix netip.Prefix, opts Options) (*Report, error) {
	a := prefix.Addr()
	entry := Entry{Addr: a, Kind: kindBan, Count: opts.Count}
	if opts.Unban {
		entry.Kind = kindUnban
	}
	report := &Report{Verdict: Verdict{Addr: a, Kind: entry.Kind, Outcome: None}, DryRun: opts.DryRun, Others: []Verdict{}, Warnings: []string{}}
	if !cfg.Report.Enabled {
		if !opts.DryRun { // a dry run is for trying it out before it is enabled
			return report, &ReportingOffError{}
		}
		report.warn("reporting is off: nothing is sent before report.enabled is true")
	}
	if !prefix.IsSingleIP() {
		report.Why = prefix.String() + " is a network, and only addresses are reported"
		return report, nil
	}
	if !opts.Unban {
		why, err := mayReport(ctx, cfg, a)
		if report.Why = why; why != "" || err != nil {
			return report, err
		}
	}
	if opts.DryRun {
		return report, report.try(cfg, entry)
	}
	var told []Verdict // verdicts on entries that were too old come first, and may be about the same address
	err := changeOutbox(ctx, cfg, "voipbl report", report.tell, report.warn, func(b *Box, now time.Time) bool {
		told = take(b, entry, now)
		return true
	})
	if err != nil {
		return report, err
	}
	for _, v := range told {
		report.tell(v)
	}
	if !report.Waits() {
		return report, nil
	}
	report.Request = reportServer(cfg).shown(entry)
	s := NewSender(cfg, "voipbl report", opts.Version, report.tell, report.warn)
	s.each, s.all = commandRequest, commandRound
	sendErr := s.Round(ctx)
	return report, report.settle(cfg, sendErr)
}

// mayReport returns why an address must not be reported; "" if it may be.
func mayReport(ctx context.Context, cfg config.Config, a netip.Addr) (string, error) {
	protected, err := protection(ctx, cfg)
	if err != nil {
		return "", err
	}
	return whySpared(a, protected), nil
}

// whySpared returns why an address must not be reported because it is exempt. VoIPBL's list
// blocks on other hosts too, so a trunk that is reported loses more than this one customer.
func whySpared(a netip.Addr, protected *exempt.Protection) string {
	q := netip.PrefixFrom(a, a.BitLen())
	p := cidr.FromNetip(q)
	if exempt.Blockable(cidr.SetOf(p), cidr.Sets{}).Len() == 0 {
		s, _ := cidr.FindSpecial(p)
		return fmt.Sprintf("it is %s (%s, %s)", s.Name, s.Prefix, s.Source)
	}
	var why []string
	for _, c := range protected.Covering(q) {
		why = append(why, c.Reasons...)
	}
	if len(why) == 0 {
		return ""
	}
	slices.Sort(why)
	return "it is exempt: " + strings.Join(slices.Compact(why), ", ")
}

func take(b *Box, e Entry, now time.Time) []Verdict {
	if e.Kind == kindUnban {
		return b.unban(e.Addr, e.Count, now)
	}
	return b.ban(e.Addr, e.Count, now)
}

// Waits reports whether the report will be sent later.
func (r *Report) Waits() bool { return r.Outcome == Queued }

// tell notes the outcome of an address.
func (r *Report) tell(v Verdict) {
	if v.Addr == r.Addr && v.Kind == r.Kind {
		r.Verdict = v
		return
	}
	r.Others = append(r.Others, v)
}

func (r *Report) warn(words string) { r.Warnings = append(r.Warnings, words) }

// try finds, for a dry run, what the outcome would be.
func (r *Report) try(cfg config.Config, entry Entry) error {
	now := time.Now().UTC().Round(0)
	b, err := loadOutbox(cfg, now)
	if damaged := (*fetch.DamagedError)(nil); errors.As(err, &damaged) {
		r.warn(err.Error()) // the damaged file would be put aside
		b, err = Box{}, nil
	}
	if err != nil {
		return err
	}
	for _, v := range take(&b, entry, now) {
		r.tell(v)
	}
	if r.Outcome == Queued {
		r.Request, r.Due = reportServer(cfg).shown(entry), b.due(Limits{PerHour: cfg.Report.PerHour}, now)
	}
	return nil
}

// settle finds the outcome by now, since another process may have sent the report. err is why
// this process did not.
func (r *Report) settle(cfg config.Config, err error) error {
	switch r.Outcome {
	case Refused:
		return &refusedReportError{r.Verdict}
	case Queued:
	default:
		return nil
	}
	now := time.Now().UTC().Round(0)
	b, lost := loadOutbox(cfg, now)
	waits := slices.ContainsFunc(b.Queue, func(e Entry) bool { return e.Addr == r.Addr && e.Kind == r.Kind })
	_, sent := map[Kind]map[netip.Addr]time.Time{kindBan: b.Standing, kindUnban: b.Withdrawn}[r.Kind][r.Addr]
	switch r.Due = b.due(Limits{PerHour: cfg.Report.PerHour}, now); {
	case lost == nil && !waits && sent:
		r.Outcome, r.Due, r.Why = Sent, time.Time{}, ""
	case lost == nil && !waits:
		r.Outcome, r.Due, r.Why = None, time.Time{}, "it was cancelled, dropped or refused meanwhile: see the journal"
	case err != nil:
		r.Why = err.Error()
	case b.LastError != nil:
		r.Why = b.LastError.Error
	}
	return nil
}
