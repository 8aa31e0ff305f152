package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
)

// BanOptions are what is said about bans.
type BanOptions struct {
	Version string
	For     time.Duration // 0: until it is taken back
	Reason  string        // to take back: only bans with this one; "" for all
	Wait    time.Duration // for the locks
}

// BanReport is what became of a ban or an unban.
type BanReport struct {
	Changed []Ban `json:"changed"` // put in, or taken out

	// Spared is what of the prefixes is protected, and so not blocked.
	Spared []Protected `json:"spared"`

	// Absent are prefixes that were to be taken out and are not banned.
	Absent []netip.Prefix `json:"absent"`

	InForce bool     `json:"in_force"`
	Error   *Problem `json:"error,omitempty"`
}

// RefusedBanError is an address that must not be blocked.
type RefusedBanError struct {
	Prefix netip.Prefix
	Others int // that were to be banned with it
	Why    string
	Fix    string
}

func (e *RefusedBanError) Error() string {
	others := ""
	if e.Others > 0 {
		others = ", and neither are the others"
	}
	return fmt.Sprintf("%s is not banned%s: %s", queryText(e.Prefix), others, e.Why)
}

// Remedy says what to do about it.
func (e *RefusedBanError) Remedy() string { return e.Fix }

// AddBans blocks prefixes on this host, and returns when they are in force. One that
// is banned already has the new end and reason. If one of them must not be blocked,
// none is.
func AddBans(ctx context.Context, cfg config.Config, prefixes []netip.Prefix, opts BanOptions) (*BanReport, error) {
	report := newBanReport()
	h, err := openHostAndStore(cfg)
	if err != nil {
		return report, err
	}
	defer h.close()
	protected, err := lastProtection(ctx, cfg, h.store)
	if err != nil {
		return report, err
	}
	for _, p := range prefixes {
		if err := mayBan(cfg, p, protected); err != nil {
			err.Others = len(prefixes) - 1
			return report, err
		}
		report.Spared = append(report.Spared, protected.Covering(p)...)
	}
	now := time.Now().UTC().Truncate(time.Second)
	serial, err := h.changeBans(ctx, opts.Wait, func(l *banList) error {
		for _, p := range prefixes {
			b := Ban{Prefix: p, At: now, Reason: opts.Reason}
			if opts.For > 0 {
				b.Until = now.Add(opts.For)
			}
			l.add(b)
			report.Changed = append(report.Changed, b)
		}
		if len(l.Bans) > maxBans {
			return &FullError{}
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	return report, h.enforceBans(ctx, report, serial, opts)
}

// RemoveBans takes bans back, and returns when that is in force. With a reason it is
// for a program that takes back its own: a ban with another reason is not its
// business, and neither is one that somebody else has taken back.
func RemoveBans(ctx context.Context, cfg config.Config, prefixes []netip.Prefix, all bool, opts BanOptions) (*BanReport, error) {
	report := newBanReport()
	h, err := openHostAndStore(cfg)
	if err != nil {
		return report, err
	}
	defer h.close()
	serial, err := h.changeBans(ctx, opts.Wait, func(l *banList) error {
		if all {
			report.Changed = append(report.Changed, l.removeReason(opts.Reason)...)
			return nil
		}
		for _, p := range prefixes {
			i, found := l.find(p)
			switch {
			case found && (opts.Reason == "" || l.Bans[i].Reason == opts.Reason):
				report.Changed = append(report.Changed, l.Bans[i])
				l.remove(p)
			case opts.Reason == "":
				report.Absent = append(report.Absent, p)
			}
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	return report, h.enforceBans(ctx, report, serial, opts)
}

// removeReason takes out the bans with a reason, all bans for "", and returns them.
func (l *banList) removeReason(reason string) (removed []Ban) {
	l.Bans = slices.DeleteFunc(l.Bans, func(b Ban) bool {
		if reason != "" && b.Reason != reason {
			return false
		}
		removed = append(removed, b)
		return true
	})
	return removed
}

// ReadBans are the bans that count at now, in order.
func ReadBans(cfg config.Config, now time.Time) ([]Ban, error) {
	store, err := findStore(cfg)
	if err != nil {
		return nil, err
	}
	if store != nil {
		defer store.Close()
	}
	l, err := readBans(store)
	if err != nil {
		return nil, err
	}
	return append([]Ban{}, l.active(now)...), nil
}

func newBanReport() *BanReport {
	return &BanReport{Changed: []Ban{}, Spared: []Protected{}, Absent: []netip.Prefix{}}
}

// mayBan refuses what must not be blocked.
func mayBan(cfg config.Config, prefix netip.Prefix, protected *Protection) *RefusedBanError {
	p := cidr.FromNetip(prefix)
	refuse := func(fix, format string, args ...any) *RefusedBanError {
		return &RefusedBanError{Prefix: prefix, Why: fmt.Sprintf(format, args...), Fix: fix}
	}
	if s, ok := cidr.FindSpecial(p); ok && !blockable(cidr.SetOf(p), cidr.Sets{}).Overlaps(p) {
		return refuse("ban an address of the Internet", "it is %s (%s, %s), which is never blocked", s.Name, s.Prefix, s.Source)
	}
	widest := [2]int{cfg.Limits.Widest, cfg.Limits.Widest6}[p.Family()]
	if int(p.Bits()) < widest {
		return refuse("ban smaller networks, or change limits.widest", "it is wider than a /%d", widest)
	}
	if blockable(cidr.SetOf(p), protected.sets).Len() > 0 {
		return nil
	}
	var why []string
	for _, c := range protected.Covering(prefix) {
		why = append(why, c.Reasons...)
	}
	slices.Sort(why)
	return refuse("if it is to be blocked all the same, take it out of what protects it", "it is protected: %s", strings.Join(slices.Compact(why), ", "))
}

// FullError is more bans than are kept.
type FullError struct{}

func (*FullError) Error() string {
	return fmt.Sprintf("there would be more than %d bans", maxBans)
}

// Remedy says what to do about it.
func (*FullError) Remedy() string {
	return "give bans an end with --for, take some back with \"voipbl unban\", or put lists of addresses into a feed"
}

// changeBans changes the list on disk. It returns the list's new serial number.
func (h *host) changeBans(ctx context.Context, wait time.Duration, change func(*banList) error) (serial int64, err error) {
	unlock, err := lock(ctx, h.cfg.RunDir, bansLock, "voipbl ban", wait, nil)
	if err != nil {
		return 0, err
	}
	defer unlock()
	l, err := readBans(h.store)
	if err != nil {
		return 0, err
	}
	l.expire(time.Now())
	if err := change(&l); err != nil {
		return 0, err
	}
	// It goes on even if the list was lost: what is in force tells by it which
	// bans are.
	l.Serial = max(l.Serial+1, time.Now().UnixNano())
	return l.Serial, h.store.WriteJSON(bansFile, l)
}

// enforceBans puts the list in force, unless another process has done so while this
// one waited for the lock: many bans at once need a few changes of the kernel.
func (h *host) enforceBans(ctx context.Context, report *BanReport, serial int64, opts BanOptions) error {
	all := newReport(opts.Version)
	e := newEnforcement(h, "voipbl ban", opts.Wait, all.At)
	e.established = true // no base rules because of a ban
	e.skip = func(r setRecord) bool { return r.Bans >= serial && r.known(h.cfg) }
	err := e.run(ctx, all, &stopwatch{&all.Steps, time.Now()})
	report.InForce = err == nil || all.Outcome == RulesFailed
	if err == nil {
		return nil
	}
	report.Error = problemOf(&LateBanError{err})
	return &LateBanError{err}
}

// LateBanError is bans that are kept and could not be put in force yet.
type LateBanError struct{ Err error }

func (e *LateBanError) Error() string {
	return "it is written down, and will be in force with the next sync, but is not yet: " + e.Err.Error()
}

func (e *LateBanError) Unwrap() error { return e.Err }
