package bans

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/trial"
)

// Options are the options of Add and Remove.
type Options struct {
	Version string
	For     time.Duration // 0: until it is removed
	Reason  string        // for Remove: only bans with this reason; "" for all
	Wait    time.Duration // how long to wait for the locks

	// Widen bans, for an IPv6 address, the network around it that the configuration sets,
	// since an attacker has more than one address. It is for programs.
	Widen bool
}

// Report is the result of Add or Remove.
type Report struct {
	Changed []Ban `json:"changed"` // added or removed

	// Spared are exempt parts of the prefixes, which are not blocked.
	Spared []exempt.Protected `json:"spared"`

	// Absent are prefixes to remove that are not banned.
	Absent []netip.Prefix `json:"absent"`

	// Evicted are bans removed from a full list to make room: those that would have ended first.
	Evicted []Ban `json:"evicted"`

	InForce bool             `json:"in_force"`          // the kernel's sets are up to date
	Kept    bool             `json:"kept"`              // the change is in the state folder, so it survives a boot
	Problem *problem.Problem `json:"problem,omitempty"` // why the change is not in the state folder
	Notes   []string         `json:"notes"`             // for the admin to read
	Lost    *problem.Problem `json:"lost,omitempty"`    // set if this run was the first to find the list damaged, so that other bans may be lost
	Error   *problem.Problem `json:"error,omitempty"`
}

func newBanReport() *Report {
	return &Report{Changed: []Ban{}, Spared: []exempt.Protected{}, Absent: []netip.Prefix{}, Evicted: []Ban{}, Notes: []string{}}
}

// refusedBanError is an address that must not be blocked.
type refusedBanError struct {
	Prefix netip.Prefix
	Others int // how many others were to be banned with it
	Why    string
	Fix    string

	KeptOut *reach.ExemptBan // what else blocks the address; nil if nothing does
}

func (e *refusedBanError) Error() string {
	others := ""
	if e.Others > 0 {
		others = ", and neither are the others"
	}
	if e.KeptOut == nil {
		return fmt.Sprintf("%s is not banned%s: %s", cidr.Text(e.Prefix), others, e.Why)
	}
	_, how, _ := strings.Cut(e.KeptOut.String(), ", but ")
	return fmt.Sprintf("%s is not banned by voipbl%s: %s; it is kept out all the same: %s", cidr.Text(e.Prefix), others, e.Why, how)
}

// Remedy says what to do about it.
func (e *refusedBanError) Remedy() string {
	if e.KeptOut != nil {
		return e.KeptOut.Remedy()
	}
	return e.Fix
}

// Add bans prefixes on this host. It returns once they are in force and written down. It
// changes the kernel first, so a ban is in force even if it cannot be written down; the report
// says so then. If one of the prefixes must not be blocked, none is.
func Add(ctx context.Context, cfg config.Config, prefixes []netip.Prefix, opts Options) (*Report, error) {
	if opts.Reason == FleetReason {
		return newBanReport(), errOfFleet
	}
	file := cfg
	cfg = setnames.NamesInForce(ctx, file)
	report := newBanReport()
	both := state.WithAgentsFriends(ctx, cfg)
	spared, err := ExemptNow(ctx, both)
	if err != nil {
		return report, err
	}
	request := banRequest{Spared: exempt.HostsOf(spared.Sessions), Sessions: exempt.HostsOf(spared.Sessions), ByHand: !opts.Widen}
	for _, p := range prefixes {
		if err := mayBan(cfg, p, spared); err != nil {
			if byFile, unknown := ExemptNow(ctx, cfg); unknown == nil && mayBan(cfg, p, byFile) == nil {
				err.Fix = agentExemptsRemedy
			}
			err.Others, err.KeptOut = len(prefixes)-1, keptOut(ctx, cfg, spared, p)
			return report, err
		}
		w := banWish{Prefix: p, Reason: opts.Reason, For: opts.For}
		if wide := exempt.Widened(p, max(cfg.Bans.IPv6Prefix, cfg.Limits.Widest6)); opts.Widen && wide != p {
			w.Prefix, w.Address = wide, p
		}
		for _, e := range spared.Covering(w.Prefix) {
			report.Spared = append(report.Spared, e)
			request.Spared = append(request.Spared, e.Prefix)
		}
		request.Add = append(request.Add, w)
	}
	var fresh []cidr.Prefix
	kernel, inKernel := ipsetsync.Open()
	if inKernel == nil {
		defer kernel.Close()
		report.noteSetNames(ctx, cfg, kernel)
		fresh, inKernel = banNow(setnames.OwnBanSets(cfg), kernel, request.Add, ExemptFrom(spared))
	}
	answer, kept := settleBans(ctx, cfg, kernel, request, fresh, spared, opts.Wait)
	if inKernel == nil {
		inKernel = ensureDropped(ctx, file, cfg, kernel, opts.Wait)
	}
	report.forgetPhones(ctx, cfg, request.Add, opts.Wait)
	return report.concluded(answer, kept, inKernel)
}

// forgetPhones takes registered phones that are now banned off the list of those: a ban is stronger
// than a password. The rules for bans come first, so the ban is in force in any case.
func (r *Report) forgetPhones(ctx context.Context, cfg config.Config, wishes []banWish, wait time.Duration) {
	var banned []netip.Prefix
	for _, w := range wishes {
		banned = append(banned, w.Prefix)
	}
	gone, err := known.Forget(ctx, cfg, "voipbl ban", banned, wait)
	for _, p := range gone {
		if !cfg.PBX.TrustRegistered {
			break
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s was a registered phone (%s), and is none any more: until it registers again, lists and limits apply to it as to others", p.Addr, p.Account))
	}
	if err != nil {
		r.Notes = append(r.Notes, "whether it is a registered phone is not known: "+problem.Line(err))
	}
}

// ExemptNow returns what is exempt now. If the state folder cannot be read, it returns what is
// known without it.
func ExemptNow(ctx context.Context, cfg config.Config) (*exempt.Protection, error) {
	return exemptWith(ctx, cfg, logins.SessionPeers())
}

// exemptWith is ExemptNow with the peers of the login sessions given.
func exemptWith(ctx context.Context, cfg config.Config, sessions []netip.Addr) (*exempt.Protection, error) {
	store, err := state.FindStore(cfg)
	if err != nil {
		store = nil
	}
	if store != nil {
		defer store.Close()
	}
	return exempt.GatherWith(cfg, exempt.LastAnswers(ctx, cfg, store), sessions)
}

// concluded completes the report from the answer and the errors of a change.
func (r *Report) concluded(answer *banAnswer, kept, inKernel error) (*Report, error) {
	if answer != nil {
		r.Changed, r.Absent = answer.Changed, append(r.Absent, answer.Absent...)
		r.Evicted, r.Notes = append(r.Evicted, answer.Evicted...), append(r.Notes, answer.Notes...)
		r.Lost = answer.Lost
		if inKernel == nil && answer.Kernel != nil {
			inKernel = &AnswerError{answer.Kernel}
		}
		if answer.Unkept != nil {
			kept = &AnswerError{answer.Unkept}
		}
	}
	r.InForce, r.Kept, r.Problem = inKernel == nil, kept == nil, problem.If(kept)
	var err error
	switch {
	case inKernel != nil && kept == nil:
		err = &LateError{inKernel}
	case inKernel != nil:
		err = errors.Join(inKernel, kept)
	case answer != nil && len(answer.Refused) > 0:
		err = &fullError{answer.Refused}
	}
	r.Error = problem.If(err)
	return r, err
}

// noteSetNames writes down the names of the sets that a change may create, as a sync does.
func (r *Report) noteSetNames(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) {
	if err := setnames.NoteSetNames(ctx, cfg, kernel); err != nil {
		r.Notes = append(r.Notes, err.Error())
	}
}

// AnswerError is a problem that the agent reported in its answer.
type AnswerError struct{ Problem *problem.Problem }

func (e *AnswerError) Error() string  { return e.Problem.Error }
func (e *AnswerError) Remedy() string { return e.Problem.Remedy }

// banNow adds bans to the kernel before any file is read or written. It leaves existing
// entries alone: how long they last is decided once the list is read. It returns what it added
// to the first of the sets.
func banNow(sets setnames.BanSets, kernel *ipsetsync.Kernel, wishes []banWish, exempt cidr.Sets) (fresh []cidr.Prefix, err error) {
	var pieces [2][]ipsetsync.Timeout
	for _, w := range wishes {
		p := cidr.FromNetip(w.Prefix)
		for _, piece := range banlist.Pieces(p, exempt) {
			pieces[p.Family()] = append(pieces[p.Family()], ipsetsync.Timeout{Prefix: piece, Left: w.For})
		}
	}
	for _, f := range cidr.Families {
		if len(pieces[f]) == 0 {
			continue
		}
		for i, name := range sets[f] {
			if i > 0 {
				if _, err := kernel.BanNew(name, pieces[f]); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
					return fresh, err
				}
				continue
			}
			if _, err := kernel.EnsureOwnBanSet(name, f); err != nil {
				return fresh, err
			}
			made, err := kernel.BanNew(name, pieces[f])
			if fresh = append(fresh, made...); err != nil {
				return fresh, err
			}
		}
	}
	return fresh, nil
}

// agentBanWait is how long the agent may take to write a ban down before this process does it
// itself. The ban is already in force.
const agentBanWait = 15 * time.Second

// settleBans writes a change down, by the agent if it answers. The bans are already in force:
// fresh are the entries just added to the kernel. The error says why the change is not written
// down.
func settleBans(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, request banRequest, fresh []cidr.Prefix, exempt *exempt.Protection, wait time.Duration) (*banAnswer, error) {
	var answer *banAnswer
	if err := state.Tell(ctx, cfg, min(agentBanWait, max(wait, time.Second)), http.MethodPost, Path, request, &answer); err == nil && answer != nil {
		return answer, nil
	}
	book := &Book{Cfg: cfg}
	// Before the ban was in the list, a sync may have taken it out of the kernel.
	again := func(a *banAnswer) *banAnswer {
		if kernel != nil {
			_, err := banNow(book.sets, kernel, request.Add, ExemptFrom(exempt))
			a.Kernel = problem.If(err)
		}
		return a
	}
	unlock, err := lockBans(ctx, cfg, "voipbl ban", wait)
	book.sets = setnames.AllBanSets(cfg, kernel)
	if err != nil {
		return book.setAside(kernel, request, ExemptFrom(exempt), state.Clock(), err), err
	}
	defer unlock()
	now := state.Clock()
	if a := book.appendOnly(request, fresh, ExemptFrom(exempt), now); a != nil {
		a.Notes = append(a.Notes, book.noteVetoes(request, nil, now)...)
		return again(a), nil
	}
	book.refresh(now, func() [2]ipsetsync.Timed { return othersBans(cfg, kernel, fresh) })
	a := book.settle(kernel, []banRequest{request}, ExemptFrom(exempt), now)
	return &a[0], nil
}

// othersBans returns what the sets of bans hold, without the fresh entries.
func othersBans(cfg config.Config, kernel *ipsetsync.Kernel, fresh []cidr.Prefix) (live [2]ipsetsync.Timed) {
	if kernel == nil {
		return live
	}
	live, _, _ = liveBans(cfg, kernel)
	for _, p := range fresh {
		delete(live[p.Family()], p)
	}
	return live
}

// setAside handles a request while another process holds the lock of the list; why is the
// lock's error. New bans get their full time in the kernel, even where a shorter one was in
// force, and go into the run folder for the next process that gets the lock. Bans to be
// removed stay.
func (b *Book) setAside(kernel *ipsetsync.Kernel, request banRequest, exempt cidr.Sets, now banlist.Clock, why error) *banAnswer {
	a := &banAnswer{Changed: []Ban{}}
	if request.Remove != nil {
		return nil
	}
	var lines []byte
	for _, w := range request.Add {
		ban := banlist.New(w.Prefix, w.Reason, w.For, now)
		ban.Address = w.Address
		a.Changed = append(a.Changed, ban)
		lines = banlist.AppendBan(lines, ban, now)
	}
	if kernel != nil {
		_, err := banNow(b.sets, kernel, request.Add, exempt)
		if err == nil {
			err = lengthen(b.Cfg, kernel, request.Add, exempt)
		}
		a.Kernel = problem.If(err)
	}
	if err := b.keepAside(lines); err != nil {
		a.Unkept = problem.Of(&forgottenBanError{why, err})
	}
	return a
}

// keepAside appends lines to the journal in the run folder.
func (b *Book) keepAside(lines []byte) error {
	run, err := fetch.OpenStore(b.Cfg.RunDir)
	if err != nil {
		return err
	}
	defer run.Close()
	b.unkept, err = run.AppendJournal(File, lines)
	return err
}

// forgottenBanError says that a ban is in the kernel and nowhere else. The next process that
// can write the list adds it there, but without its reason.
type forgottenBanError struct{ state, run error }

func (e *forgottenBanError) Error() string {
	return fmt.Sprintf("%v; and not in run_dir either, so that its reason will be forgotten: %v", e.state, e.run)
}

// Remedy says what to do about it.
func (e *forgottenBanError) Remedy() string { return problem.Of(e.state).Remedy }

// lengthen extends entries in the kernel that would end sooner than wished.
func lengthen(cfg config.Config, kernel *ipsetsync.Kernel, wishes []banWish, exempt cidr.Sets) error {
	live, _, err := liveBans(cfg, kernel)
	if err != nil {
		return err
	}
	var longer [2][]ipsetsync.Timeout
	for _, w := range wishes {
		p := cidr.FromNetip(w.Prefix)
		for _, piece := range banlist.Pieces(p, exempt) {
			have, found := live[p.Family()][piece]
			if !found || have != ipsetsync.Forever && (w.For == ipsetsync.Forever || w.For > have) {
				longer[p.Family()] = append(longer[p.Family()], ipsetsync.Timeout{Prefix: piece, Left: w.For})
			}
		}
	}
	for _, f := range cidr.Families {
		if err := kernel.Ban(cfg.BanSetName(int(f)), longer[f]); err != nil {
			return err
		}
	}
	return nil
}

// ensureDropped applies the rules that drop banned addresses, if there are none. It never
// installs base rules. cfg has the set names that were in force at the start; file has those of
// the configuration, which a sync may have put in force since.
func ensureDropped(ctx context.Context, file, cfg config.Config, kernel *ipsetsync.Kernel, wait time.Duration) error {
	referred := bansReferred(cfg, kernel)
	if !referred {
		cfg = setnames.NamesInForce(ctx, file)
		referred = bansReferred(cfg, kernel)
	}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	switch {
	case err != nil && referred:
		return nil // not known; what repairs the rules reports it
	case err != nil:
		return err
	}
	if settings.LeavesRules(cfg) {
		return rules.BansDropped(ctx, cfg, fw, kernel)
	}
	h := &rules.Handles{Cfg: cfg, Kernel: kernel, Fw: fw}
	stateErr := h.OpenStore(true)
	if stateErr == nil {
		defer h.Store.Close()
	}
	held := rules.Open(cfg, fw, kernel, h.Store)
	defer held.Close()
	held.Trunks = exempt.LastTrunks(ctx, cfg, h.Store)
	if referred && held.DropBanned(ctx) {
		return nil
	}
	if _, err := held.EnsureSets(); err != nil {
		return err
	}
	if stateErr != nil { // the rules that drop bans need nothing from it
		return h.EnsureDrop(ctx)
	}
	unlock, err := state.Lock(ctx, cfg.RunDir, state.RulesLock, "voipbl ban", wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	_, _, err = trial.SettleAndEnsure(ctx, held, rules.How{Unattended: true, Established: true})
	return err
}

// bansReferred reports whether every set of bans is used by something.
func bansReferred(cfg config.Config, kernel *ipsetsync.Kernel) bool {
	for _, f := range cidr.Families {
		header, err := kernel.Header(cfg.BanSetName(int(f)))
		if (err != nil || header.References == 0) && settings.WantsRules(cfg, iptables.Family(f)) {
			return false
		}
	}
	return true
}

// Remove removes bans. It returns once that is in force. With opts.Reason, a program removes
// only its own bans: those for another reason stay, and an address is free when its last ban
// ends.
func Remove(ctx context.Context, cfg config.Config, prefixes []netip.Prefix, all bool, opts Options) (*Report, error) {
	cfg = setnames.NamesInForce(ctx, cfg)
	report := newBanReport()
	spared, err := ExemptNow(ctx, state.WithAgentsFriends(ctx, cfg))
	if err != nil {
		return report, err
	}
	kernel, inKernel := ipsetsync.Open()
	if inKernel == nil {
		defer kernel.Close()
		report.noteSetNames(ctx, cfg, kernel)
	}
	request := banRequest{Spared: exempt.HostsOf(spared.Sessions), Sessions: exempt.HostsOf(spared.Sessions), Remove: &banRemoval{Prefixes: prefixes, All: all, Reason: opts.Reason}}
	request.ByHand = opts.Reason == "" || opts.Reason == FleetReason // else a program takes its own back
	answer, err := settleBans(ctx, cfg, kernel, request, nil, spared, opts.Wait)
	if err != nil {
		report.Error = problem.Of(err)
		return report, err
	}
	return report.concluded(answer, nil, inKernel)
}

// widestBan returns the shortest prefix length that a ban may have, by family.
func widestBan(cfg config.Config) [2]int {
	return [2]int{cfg.Limits.Widest, cfg.Limits.Widest6}
}

// mayBan returns an error for a prefix that must not be blocked; else nil.
func mayBan(cfg config.Config, prefix netip.Prefix, protected *exempt.Protection) *refusedBanError {
	p := cidr.FromNetip(prefix)
	refuse := func(fix, format string, args ...any) *refusedBanError {
		return &refusedBanError{Prefix: prefix, Why: fmt.Sprintf(format, args...), Fix: fix}
	}
	if s, never := cidr.FindNeverBanned(p); never {
		return refuse("ban an address that packets come from", "it is %s (%s, %s), which is never blocked", s.Name, s.Prefix, s.Source)
	}
	if widest := widestBan(cfg)[p.Family()]; int(p.Bits()) < widest {
		return refuse("ban smaller networks, or change limits.widest", "it is wider than a /%d", widest)
	}
	if len(banlist.Pieces(p, ExemptFrom(protected))) > 0 {
		return nil
	}
	var why []string
	covering := protected.Covering(prefix)
	for _, c := range covering {
		why = append(why, c.Reasons...)
	}
	slices.Sort(why)
	why = slices.Compact(why)
	return refuse(unexempt(covering), "it is exempt: %s", strings.Join(why, ", "))
}

// agentExemptsRemedy is the remedy for what only the agent exempts: the file does no more.
const agentExemptsRemedy = "to block it all the same, run \"voipbl reload\" first: the configuration does not exempt it any more, but the agent does"

// unexempt is the remedy that ends exemptions.
func unexempt(all []exempt.Protected) string {
	var why [][2]string // reasons, and of what
	for _, e := range all {
		for _, reason := range e.Reasons {
			why = append(why, [2]string{reason, cidr.Text(e.Prefix)})
		}
	}
	slices.SortFunc(why, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var steps []string
	for _, one := range why {
		reason := one[0]
		step := "take it out of " + strings.SplitN(reason, " ", 2)[0] // allow, trunks or local_networks
		switch {
		case reason == exempt.OwnAddressReason, reason == exempt.GatewayReason, reason == exempt.ResolverReason:
			return "nothing: this host needs that address"
		case strings.HasPrefix(reason, exempt.FleetAllowReason), strings.HasPrefix(reason, exempt.FleetTrunkReason):
			step = "have the operator of the fleet take it out of the document"
		case reason == exempt.SessionReason:
			step = "end that session"
		case strings.HasPrefix(reason, exempt.ByHand):
			step = "take that back with \"voipbl disallow\""
		case strings.HasPrefix(reason, exempt.TrunkReason), strings.HasPrefix(reason, exempt.PeerReason):
			step = "take it out of the PBX's configuration, then run \"voipbl phones --forget " + one[1] + "\""
		case strings.HasPrefix(reason, exempt.SourceReason(config.Feed{})):
			step = "take that feed out of the configuration"
		case strings.HasPrefix(reason, exempt.ReportReason):
			step = "set report.url to another server"
		case strings.HasPrefix(reason, exempt.HubReason):
			step = "take it out of fleet.hub"
		}
		steps = append(steps, step)
	}
	return "to block it all the same, " + strings.Join(slices.Compact(steps), ", and ")
}

// keptOut returns what blocks a prefix although it is exempt; nil if nothing does.
func keptOut(ctx context.Context, cfg config.Config, exempt *exempt.Protection, p netip.Prefix) *reach.ExemptBan {
	bans, _ := reach.ExemptBansNow(ctx, cfg, exempt) // status reports what cannot be read
	for _, b := range bans {
		if !b.Unused && b.Banned.Overlaps(p) {
			return &b
		}
	}
	return nil
}

// fullError says that the list is full of bans that never end.
type fullError struct{ Prefixes []netip.Prefix }

func (e *fullError) Error() string {
	names := cidr.Text(e.Prefixes[0])
	if n := len(e.Prefixes) - 1; n > 0 {
		names += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s: not banned, there are %d bans already and none of them has an end", names, banlist.Most)
}

// Remedy says what to do about it.
func (*fullError) Remedy() string {
	return "take bans back with \"voipbl unban\", give bans an end with --for, or put lists of addresses into a feed"
}

// LateError says that a change is written down but not in force yet.
type LateError struct{ Err error }

func (e *LateError) Error() string {
	return "it is written down, but not in force yet: " + e.Err.Error()
}

func (e *LateError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *LateError) Remedy() string { return problem.Of(e.Err).Remedy }
