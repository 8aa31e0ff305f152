package blocklist

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/allowlist"
	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// AllowOptions are the options of Allow and Disallow.
type AllowOptions struct {
	For    time.Duration // 0: until Disallow
	Reason string
	Wait   time.Duration // how long to wait for the locks and the agent
}

// Allowed is one host that is never blocked because an admin has said so.
type Allowed struct {
	Host   string    `json:"host"`   // an address, a network or a name
	Source string    `json:"source"` // "voipbl allow", the key of the configuration, or "allow of the fleet"
	At     time.Time `json:"at,omitzero"`
	Until  time.Time `json:"until,omitzero"` // by the wall clock; zero: until Disallow
	Reason string    `json:"reason,omitempty"`

	// Addresses are the known addresses of a name.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// AllowReport is the result of Allow or Disallow.
type AllowReport struct {
	Changed []Allowed `json:"changed"` // added to the list, or taken off it
	Absent  []string  `json:"absent"`  // asked to be taken off, but not on the list

	// Still is why hosts that were taken off the list are still exempt.
	Still []exempt.Protected `json:"still_exempt"`

	// Banned are bans by fail2ban that still block a host that is now allowed.
	Banned []reach.ExemptBan `json:"still_banned"`

	InForce bool             `json:"in_force"`          // the kernel's sets are up to date
	Kept    bool             `json:"kept"`              // the list is on disk, so it survives a boot
	Problem *problem.Problem `json:"problem,omitempty"` // why the list is not on disk
	Unknown []string         `json:"unknown"`           // names without a known address
	Notes   []string         `json:"notes"`             // for the admin to read
	Error   *problem.Problem `json:"error,omitempty"`
}

func newAllowReport() *AllowReport {
	return &AllowReport{Changed: []Allowed{}, Absent: []string{}, Still: []exempt.Protected{}, Banned: []reach.ExemptBan{}, Unknown: []string{}, Notes: []string{}}
}

// Allow exempts hosts from being blocked. It returns once that is in force and written down.
// It writes the list before it changes the kernel: otherwise the next check of the sets would
// put the hosts back.
func Allow(ctx context.Context, cfg config.Config, hosts []config.Host, opts AllowOptions) (*AllowReport, error) {
	file := cfg
	cfg = setnames.NamesInForce(ctx, file)
	report := newAllowReport()
	banned, unknown := actionBans() // before an agent takes the allowed hosts out
	if unknown != nil {
		report.Notes = append(report.Notes, "whether a jail of fail2ban's has banned it is not known: "+unknown.Error())
	}
	found := dns.Ask(ctx, questionsOf(hosts))
	err := report.change(ctx, cfg, "voipbl allow", opts.Wait, func(b *exempt.AllowedBook) (err error) {
		for _, h := range hosts {
			e := allowlist.New(h, opts.Reason, opts.For, b.List.Written)
			if before, again := b.List.Find(h); again {
				e.Addresses = before.Addresses
			}
			if h.Name != "" {
				known, _ := exempt.Answer{}.Merge(found[h.Name], cfg.Names.Keep, e.At)
				if addrs := known.Addrs(); len(addrs) > 0 {
					e.Addresses = addrs
				}
			}
			if b.List, err = b.List.With(e); err != nil {
				return &fullAllowedError{h.String()}
			}
			report.Changed = append(report.Changed, allowedOf(e))
		}
		return nil
	})
	if err != nil {
		return report.failed(err)
	}
	exempt, err := bans.ExemptNow(ctx, cfg)
	if err != nil {
		return report.failed(err)
	}
	for i, h := range hosts {
		if h.Name != "" {
			report.Changed[i].Addresses = exempt.AddressesOf(h.Name)
			if len(report.Changed[i].Addresses) == 0 {
				report.Unknown = append(report.Unknown, h.Name)
			}
		}
	}
	if err := allowedInForce(ctx, file, exempt, report.Changed, opts.Wait, "voipbl allow"); err != nil {
		return report.failed(&bans.LateError{Err: err})
	}
	report.InForce = true
	if now, err := actionBans(); err == nil {
		report.Notes = append(report.Notes, bans.FreedTexts(banned, now, exempt)...)
	}
	report.findBanned(ctx, cfg, exempt)
	return report, nil
}

// actionBans returns what voipbl's actions for fail2ban have banned, by set.
func actionBans() (map[string][]cidr.Prefix, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	return bans.ActionBans(kernel)
}

// unbanNotes returns, for each host, the command after which fail2ban can ban it again. A jail
// counts a host as banned until the ban ends, even if Allow has taken it out of the set.
func unbanNotes(changed []Allowed) (notes []string) {
	for _, a := range changed {
		for _, p := range prefixesOf(a) {
			notes = append(notes, fmt.Sprintf("if fail2ban had banned %[1]s, its jail still counts it as banned, and does not ban it again until you run: fail2ban-client unban %[1]s", cidr.Text(p)))
		}
	}
	return notes
}

// Disallow takes hosts, or all of them, off the list. It returns once that is in force.
func Disallow(ctx context.Context, cfg config.Config, hosts []config.Host, all bool, opts AllowOptions) (*AllowReport, error) {
	file := cfg
	cfg = setnames.NamesInForce(ctx, file)
	report := newAllowReport()
	err := report.change(ctx, cfg, "voipbl disallow", opts.Wait, func(b *exempt.AllowedBook) error {
		if all {
			for _, e := range b.List.Entries {
				report.Changed = append(report.Changed, allowedOf(e))
			}
			b.List.Entries = nil
			return nil
		}
		for _, h := range hosts {
			e, found := b.List.Find(h)
			if !found {
				report.Absent = append(report.Absent, h.String())
				continue
			}
			b.List = b.List.Without(h)
			report.Changed = append(report.Changed, allowedOf(e))
		}
		return nil
	})
	if err != nil {
		return report.failed(err)
	}
	spared, err := bans.ExemptNow(ctx, cfg)
	if err != nil {
		return report.failed(err)
	}
	for _, a := range report.Changed {
		for _, p := range prefixesOf(a) {
			for _, c := range spared.Covering(p) {
				if !slices.ContainsFunc(report.Still, func(s exempt.Protected) bool { return s.Prefix == c.Prefix }) {
					report.Still = append(report.Still, c)
				}
			}
		}
	}
	if len(report.Changed) > 0 {
		if err := allowedInForce(ctx, file, spared, nil, opts.Wait, "voipbl disallow"); err != nil {
			return report.failed(&bans.LateError{Err: err})
		}
	}
	report.InForce = true
	if sets, err := actionBans(); err == nil && len(sets) > 0 {
		report.Notes = append(report.Notes, unbanNotes(report.Changed)...)
	}
	return report, nil
}

func (r *AllowReport) failed(err error) (*AllowReport, error) {
	r.Error = problem.Of(err)
	return r, err
}

// change edits the list of allowed hosts and writes it to disk.
func (r *AllowReport) change(ctx context.Context, cfg config.Config, verb string, wait time.Duration, edit func(*exempt.AllowedBook) error) error {
	unlock, err := exempt.LockAllowed(ctx, cfg, verb, wait)
	if err != nil {
		return err
	}
	defer unlock()
	now := state.Clock()
	b := exempt.ReadAllowed(cfg, now)
	r.Notes = append(r.Notes, b.Notes...)
	before := b.List
	b.List.Written = now
	if err := edit(&b); err != nil {
		r.Changed = []Allowed{}
		return err
	}
	if len(r.Changed) == 0 && !b.Old {
		r.Kept = b.Unread == nil
		return nil
	}
	kept, err := exempt.AllowedBook{List: before, Unread: b.Unread}.Write(cfg, b.List, now)
	if err != nil {
		r.Changed = []Allowed{}
		return &unallowedError{err}
	}
	r.Kept, r.Problem = kept == nil, problem.If(kept)
	return nil
}

// unallowedError is returned if the list of allowed hosts cannot be written anywhere.
type unallowedError struct{ Err error }

func (e *unallowedError) Error() string {
	return "nothing has changed, since the list of allowed hosts can be written neither to state_dir nor to run_dir: " + e.Err.Error()
}

func (e *unallowedError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *unallowedError) Remedy() string { return problem.Of(e.Err).Remedy }

// fullAllowedError is returned if the list of allowed hosts is full.
type fullAllowedError struct{ Host string }

func (e *fullAllowedError) Error() string {
	return fmt.Sprintf("%s is not allowed, and nothing has changed: the list has %d hosts, and takes no more", e.Host, allowlist.Most)
}

// Remedy says what to do about it.
func (*fullAllowedError) Remedy() string {
	return "write networks into \"allow:\" of the configuration, or take hosts off with \"voipbl disallow\""
}

func questionsOf(hosts []config.Host) (questions []dns.Question) {
	for _, h := range hosts {
		if h.Name != "" {
			questions = append(questions, dns.Question{Name: h.Name, SIP: true})
		}
	}
	return questions
}

func allowedOf(e allowlist.Entry) Allowed {
	return Allowed{Host: e.Host.String(), Source: exempt.ByHand, At: e.At, Until: e.Until(), Reason: e.Reason, Addresses: e.Addresses}
}

// prefixesOf returns the known addresses of an allowed host.
func prefixesOf(a Allowed) (prefixes []netip.Prefix) {
	if h, err := config.ParseHost(a.Host); err == nil && h.Name == "" {
		return []netip.Prefix{h.Prefix}
	}
	for _, addr := range a.Addresses {
		prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
	}
	return prefixes
}

// findBanned looks for bans by others that still block a changed host.
func (r *AllowReport) findBanned(ctx context.Context, cfg config.Config, exempt *exempt.Protection) {
	bans, notes := reach.ExemptBansNow(ctx, cfg, exempt)
	r.Notes = append(r.Notes, notes...)
	for _, b := range bans {
		ours := slices.ContainsFunc(r.Changed, func(a Allowed) bool {
			return slices.ContainsFunc(prefixesOf(a), b.Banned.Overlaps)
		})
		if ours && !b.Own {
			r.Banned = append(r.Banned, b)
		}
	}
}

// allowedAgentWait is how long the agent may take before this process does its work.
const allowedAgentWait = 15 * time.Second

// allowedInForce makes the kernel's sets follow the list of allowed hosts. It asks the agent,
// and does the same itself if no agent answers.
func allowedInForce(ctx context.Context, file config.Config, exempt *exempt.Protection, allowed []Allowed, wait time.Duration, verb string) error {
	var refused *problem.Problem
	err := state.Tell(ctx, file, min(allowedAgentWait, max(wait, time.Second)), http.MethodPost, state.AllowedPath, nil, &refused)
	byAgent := err == nil && refused == nil
	return setnames.ByNamesInForce(ctx, file, func(cfg config.Config) error {
		return allowedInSets(ctx, cfg, byAgent, exempt, allowed, wait, verb)
	})
}

// allowedInSets is allowedInForce for the sets of one configuration. If an allowed host is
// still in a set afterwards, as when the copies of lists cannot be read, it is taken out of
// the live set.
func allowedInSets(ctx context.Context, cfg config.Config, byAgent bool, exempt *exempt.Protection, allowed []Allowed, wait time.Duration, verb string) error {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return err
	}
	defer kernel.Close()
	// A process that is filling sets now may have read the list before the change.
	unlock, lockErr := state.Lock(ctx, cfg.RunDir, state.SetsLock, verb, wait, nil)
	if lockErr == nil {
		unlock()
	}
	have, err := haveSets(cfg, kernel)
	switch {
	case err == nil && !have:
		return lockErr // nil: voipbl blocks nothing here yet
	case err == nil && !byAgent:
		err = enforceNow(ctx, cfg, wait, verb)
	}
	if len(allowed) == 0 {
		return err
	}
	free := allowedSets(allowed)
	if blocked, lookErr := blocksAny(cfg, kernel, free); err == nil && lookErr == nil && !blocked {
		return nil
	}
	if freeErr := freeFromSets(ctx, cfg, kernel, exempt, free, wait, verb); freeErr != nil {
		return errors.Join(err, freeErr)
	}
	return nil
}

// allowedSets returns the known addresses of allowed hosts.
func allowedSets(allowed []Allowed) cidr.Sets {
	var b cidr.Builder
	for _, a := range allowed {
		for _, p := range prefixesOf(a) {
			b.Add(cidr.FromNetip(p))
		}
	}
	return b.Sets()
}

// blocksAny reports whether one of voipbl's sets has any address of free.
func blocksAny(cfg config.Config, kernel *ipsetsync.Kernel, free cidr.Sets) (bool, error) {
	for _, f := range cidr.Families {
		for _, name := range []string{cfg.SetName(int(f)), cfg.BanSetName(int(f))} {
			live, err := kernel.Bans(name)
			switch {
			case errors.Is(err, ipsetsync.ErrNotFound):
			case err != nil:
				return false, err
			case slices.ContainsFunc(live.Prefixes, free[f].Overlaps):
				return true, nil
			}
		}
	}
	return false, nil
}

// haveSets reports whether any of voipbl's sets exists.
func haveSets(cfg config.Config, kernel *ipsetsync.Kernel) (bool, error) {
	for _, name := range reach.OwnSetNames(cfg) {
		switch _, err := kernel.Kind(name); {
		case err == nil:
			return true, nil
		case !errors.Is(err, ipsetsync.ErrNotFound):
			return false, err
		}
	}
	return false, nil
}

// enforceNow fills the sets from the last good copies. It does not touch the rules.
func enforceNow(ctx context.Context, cfg config.Config, wait time.Duration, verb string) error {
	h, err := rules.OpenAllHandles(cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	report := NewSyncReport("")
	e := NewEnforcement(h, verb, wait, report.At)
	e.setsOnly = true
	err = e.Run(ctx, report, &state.Stopwatch{Steps: &report.Steps, Last: time.Now()})
	if err == nil && report.BansProblem != nil {
		return &bans.AnswerError{Problem: report.BansProblem}
	}
	return err
}

// freeFromSets takes allowed addresses out of the live sets. Where a wider entry covers one,
// the rest of that entry is added first, so that it is never unblocked.
func freeFromSets(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, exempt *exempt.Protection, free cidr.Sets, wait time.Duration, verb string) error {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.SetsLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	var errs []error
	for _, f := range cidr.Families {
		errs = append(errs, kernel.Free(cfg.SetName(int(f)), f, free[f]))
	}
	_, _, err = (&bans.Book{Cfg: cfg}).Sync(ctx, cfg, kernel, bans.ExemptFrom(exempt), verb, wait, false)
	errs = append(errs, err)
	_, err = bans.FreeExempt(kernel, exempt)
	return errors.Join(append(errs, err)...)
}

// ReadAllowedHosts returns the hosts that an admin has allowed, by hand or in the
// configuration, or the operator of the fleet. The notes say what is wrong with the list.
func ReadAllowedHosts(ctx context.Context, cfg config.Config) (all []Allowed, notes []string, err error) {
	all = []Allowed{}
	b := exempt.ReadAllowed(cfg, state.Clock())
	spared, err := bans.ExemptNow(ctx, cfg)
	if err != nil {
		return all, b.Notes, err
	}
	for _, e := range b.List.Entries {
		a := allowedOf(e)
		if e.Host.Name != "" {
			a.Addresses = spared.AddressesOf(e.Host.Name)
		}
		all = append(all, a)
	}
	add := func(source string, hosts []config.Host) {
		for _, h := range hosts {
			a := Allowed{Host: h.String(), Source: source}
			if h.Name != "" {
				a.Addresses = spared.AddressesOf(h.Name)
			}
			all = append(all, a)
		}
	}
	add("allow", cfg.Allow)
	add("trunks", cfg.Firewall.Trunks)
	for _, w := range exempt.OfFleet(cfg) {
		add(w.Reason, w.Hosts)
	}
	for _, p := range cfg.Firewall.LocalNetworks {
		all = append(all, Allowed{Host: p.String(), Source: "local_networks"})
	}
	return all, b.Notes, b.Unread
}
