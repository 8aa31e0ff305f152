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
	"github.com/voipbl/voipbl/state"
)

// Options are what is said about an address that is reported.
type Options struct {
	Version string
	Unban   bool // it was let go again
	Count   int  // of failures
	DryRun  bool
}

// Report is what became of it.
type Report struct {
	Verdict
	DryRun   bool             `json:"dry_run"`
	Request  string           `json:"request,omitempty"` // without the serial; empty if none is to be made
	Due      time.Time        `json:"due,omitzero"`      // when it may be sent, if it waits
	Others   []Verdict        `json:"others"`            // what became of others meanwhile
	Warnings []string         `json:"warnings"`
	Error    *problem.Problem `json:"error,omitempty"`
}

// ReportingOffError is a report without the owner's leave.
type ReportingOffError struct{}

func (*ReportingOffError) Error() string {
	return "nothing is reported: report.enabled is false in the configuration"
}

// Remedy says what to do about it.
func (*ReportingOffError) Remedy() string {
	return "write \"report: {enabled: true}\" if this host may tell VoIPBL who attacks it, or take voipbl report out of fail2ban's actions"
}

// RefusedReportError is VoIPBL not taking a report, for good.
type RefusedReportError struct{ Verdict Verdict }

func (e *RefusedReportError) Error() string {
	return fmt.Sprintf("%s (%s) was refused by %s", e.Verdict.Addr, e.Verdict.Kind, e.Verdict.Why)
}

// Remedy says what to do about it.
func (e *RefusedReportError) Remedy() string { return Forbidden.Remedy() }

// ReportAttacker tells VoIPBL about an address that has attacked this host, or was let go
// again. First it is written down; then what is due is sent, if that takes no longer than
// a few seconds. The rest is left to the next one, or to the agent.
func ReportAttacker(ctx context.Context, cfg config.Config, prefix netip.Prefix, opts Options) (*Report, error) {
	a := prefix.Addr()
	entry := Entry{Addr: a, Kind: Ban, Count: opts.Count}
	if opts.Unban {
		entry.Kind = Unban
	}
	report := &Report{Verdict: Verdict{Addr: a, Kind: entry.Kind, Outcome: None}, DryRun: opts.DryRun, Others: []Verdict{}, Warnings: []string{}}
	if !cfg.Report.Enabled {
		if !opts.DryRun { // to try is what that is for, before the owner agrees
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
	var told []Verdict // after what is too old, which may be of the same address
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
	report.Request = reportServer(cfg).Shown(entry)
	s := NewSender(cfg, "voipbl report", opts.Version, report.tell, report.warn)
	s.each, s.all = commandRequest, commandRound
	sendErr := s.Round(ctx)
	return report, report.settle(cfg, sendErr)
}

// mayReport is why an address must not be reported; empty if it may.
func mayReport(ctx context.Context, cfg config.Config, a netip.Addr) (string, error) {
	store, err := state.FindStore(cfg)
	if err != nil {
		return "", err
	}
	if store != nil {
		defer store.Close()
	}
	protected, err := exempt.GatherLast(ctx, cfg, store)
	if err != nil {
		return "", err
	}
	return whySpared(a, protected), nil
}

// whySpared is the same, of what is protected. VoIPBL's list blocks on other hosts too, so
// a trunk that is reported there loses more than this one customer.
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
	return "it is protected: " + strings.Join(slices.Compact(why), ", ")
}

func take(b *Box, e Entry, now time.Time) []Verdict {
	if e.Kind == Unban {
		return b.Unban(e.Addr, e.Count, now)
	}
	return b.Ban(e.Addr, e.Count, now)
}

// Waits reports whether it is to be sent later.
func (r *Report) Waits() bool { return r.Outcome == Queued }

// tell takes note of what became of an address.
func (r *Report) tell(v Verdict) {
	if v.Addr == r.Addr && v.Kind == r.Kind {
		r.Verdict = v
		return
	}
	r.Others = append(r.Others, v)
}

func (r *Report) warn(words string) { r.Warnings = append(r.Warnings, words) }

// try finds what would become of it.
func (r *Report) try(cfg config.Config, entry Entry) error {
	now := time.Now().UTC().Round(0)
	b, err := loadOutbox(cfg, now)
	if damaged := (*fetch.DamagedError)(nil); errors.As(err, &damaged) {
		r.warn(err.Error()) // it would be put aside
		b, err = Box{}, nil
	}
	if err != nil {
		return err
	}
	for _, v := range take(&b, entry, now) {
		r.tell(v)
	}
	if r.Outcome == Queued {
		r.Request, r.Due = reportServer(cfg).Shown(entry), b.Due(Limits{PerHour: cfg.Report.PerHour}, now)
	}
	return nil
}

// settle finds what has become of it by now: another process may have sent it. err is
// what has kept this one from sending.
func (r *Report) settle(cfg config.Config, err error) error {
	switch r.Outcome {
	case Refused:
		return &RefusedReportError{r.Verdict}
	case Queued:
	default:
		return nil
	}
	now := time.Now().UTC().Round(0)
	b, lost := loadOutbox(cfg, now)
	waits := slices.ContainsFunc(b.Queue, func(e Entry) bool { return e.Addr == r.Addr && e.Kind == r.Kind })
	_, sent := map[Kind]map[netip.Addr]time.Time{Ban: b.Standing, Unban: b.Withdrawn}[r.Kind][r.Addr]
	switch r.Due = b.Due(Limits{PerHour: cfg.Report.PerHour}, now); {
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
