package bans

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// banRequest is a change of the list of bans. It goes to the agent, if one runs.
type banRequest struct {
	Add    []banWish   `json:"add,omitempty"`
	Remove *banRemoval `json:"remove,omitempty"`

	// Spared is what is exempt by the configuration of whoever asks, which the agent may
	// not have taken over yet, and who is logged in.
	Spared []netip.Prefix `json:"spared,omitempty"`

	// Sessions are those of Spared who are logged in.
	Sessions []netip.Prefix `json:"sessions,omitempty"`
}

// banWish is one address to be banned.
type banWish struct {
	Prefix  netip.Prefix  `json:"prefix"`
	Address netip.Prefix  `json:"address,omitzero"` // see [Ban]
	Reason  string        `json:"reason,omitempty"`
	For     time.Duration `json:"for,omitempty"`
}

// banRemoval is bans to be taken back.
type banRemoval struct {
	Prefixes []netip.Prefix `json:"prefixes"`
	All      bool           `json:"all,omitempty"` // of that reason, if there is one
	Reason   string         `json:"reason,omitempty"`
}

// banAnswer is what became of a request.
type banAnswer struct {
	Changed []Ban          `json:"changed"`
	Absent  []netip.Prefix `json:"absent,omitempty"`
	Refused []netip.Prefix `json:"refused,omitempty"` // the table is full of bans without an end
	Evicted []Ban          `json:"evicted,omitempty"` // made way in a full table
	Notes   []string       `json:"notes,omitempty"`

	Unkept *problem.Problem `json:"unkept,omitempty"` // why it is not written down
	Kernel *problem.Problem `json:"kernel,omitempty"` // why the kernel has not taken it over
	Lost   *problem.Problem `json:"lost,omitempty"`   // that reading the list has shown other bans to be lost
}

// ExemptFrom is what no ban blocks.
func ExemptFrom(p *exempt.Protection) cidr.Sets { return cidr.Union(cidr.NeverBanned, p.Sets) }

// settle makes the changes that are asked for: in the table, in the kernel, and then on
// disk. The caller holds bansLock, and the book is fresh.
func (b *Book) settle(kernel *ipsetsync.Kernel, requests []banRequest, exempt cidr.Sets, now banlist.Clock) []banAnswer {
	answers := make([]banAnswer, len(requests))
	var lines []byte
	touched := make(map[cidr.Prefix]bool)
	for i, r := range requests {
		a := &answers[i]
		a.Changed = []Ban{}
		for _, w := range r.Add {
			ban := banlist.New(w.Prefix, w.Reason, w.For, now)
			ban.Address = w.Address
			evicted, ok := b.table.Add(ban)
			for _, e := range evicted {
				lines = banlist.AppendUnban(lines, e, now)
				touched[cidr.FromNetip(e.Prefix)] = true
			}
			a.Evicted = append(a.Evicted, evicted...)
			touched[cidr.FromNetip(ban.Prefix)] = true
			if !ok {
				a.Refused = append(a.Refused, w.Prefix)
				continue
			}
			lines = banlist.AppendBan(lines, ban, now)
			a.Changed = append(a.Changed, ban)
		}
		if r.Remove == nil {
			continue
		}
		for _, ban := range b.toRemove(*r.Remove, a, now) {
			if b.amongLists {
				a.Kernel = problem.Of(&amongListsError{b.Cfg.Set})
			}
			b.table.Remove(ban)
			lines = banlist.AppendUnban(lines, ban, now)
			touched[cidr.FromNetip(ban.Prefix)] = true
			a.Changed = append(a.Changed, ban)
		}
	}
	b.agreed = nil
	inKernel := b.settleKernel(kernel, touched, exempt, now)
	kept := b.write(lines, now)
	lost := b.lostNow()
	notes := b.takeNotes()
	for i := range answers {
		if inKernel != nil {
			answers[i].Kernel = problem.Of(inKernel)
		}
		answers[i].Unkept, answers[i].Notes, answers[i].Lost = problem.If(kept), notes, lost
	}
	return answers
}

// amongListsError is a ban that was taken back and that an older version has put into the
// set of the lists.
type amongListsError struct{ set string }

func (e *amongListsError) Error() string {
	return "an older version of voipbl kept bans in the set " + e.set + ", and no sync has moved them since"
}

// Remedy says what to do about it.
func (*amongListsError) Remedy() string { return "run \"voipbl sync\"" }

// lostNow is that bans may be lost, if nobody has been told yet; else nil.
func (b *Book) lostNow() *problem.Problem {
	switch {
	case !b.lost:
		return nil
	case b.older != nil:
		return problem.Of(b.older)
	}
	return LostBans(b.Cfg)
}

// takeNotes returns what has to be said, once.
func (b *Book) takeNotes() []string {
	notes := b.notes
	b.notes, b.lost = nil, false
	return notes
}

// toRemove finds the bans that are to be taken back. One that is over was not banned.
func (b *Book) toRemove(r banRemoval, a *banAnswer, now banlist.Clock) []Ban {
	b.table.Expire(now)
	if r.All {
		return b.table.WithReason(r.Reason)
	}
	var all []Ban
	for _, p := range r.Prefixes {
		found := b.table.Find(p, r.Reason)
		if len(found) == 0 && r.Reason == "" {
			a.Absent = append(a.Absent, p)
		}
		all = append(all, found...)
	}
	return all
}

// settleKernel makes the kernel block of some prefixes what the table says.
func (b *Book) settleKernel(kernel *ipsetsync.Kernel, touched map[cidr.Prefix]bool, exempt cidr.Sets, now banlist.Clock) error {
	if kernel == nil {
		return errors.New("there is no way to the kernel's sets")
	}
	sets := b.sets
	if sets[0] == nil {
		sets = setnames.OwnBanSets(b.Cfg)
	}
	for _, f := range cidr.Families {
		for i, name := range sets[f] {
			err := b.settleSet(kernel, name, f, i == 0, touched, exempt, now)
			if err != nil && !(i > 0 && errors.Is(err, ipsetsync.ErrNotFound)) {
				return err
			}
		}
	}
	return nil
}

// settleSet is settleKernel for one set, which is made if it is ours to make.
func (b *Book) settleSet(kernel *ipsetsync.Kernel, name string, f cidr.Family, ours bool, touched map[cidr.Prefix]bool, exempt cidr.Sets, now banlist.Clock) (err error) {
	plan := ipsetsync.BanPlan{Name: name, Family: f}
	for p := range touched {
		if p.Family() != f {
			continue
		}
		for _, piece := range banlist.Pieces(p, exempt) {
			if left, any := b.table.BlockedPiece(piece, now, exempt); any {
				plan.Add = append(plan.Add, ipsetsync.Timeout{Prefix: piece, Left: left})
			} else {
				plan.Delete = append(plan.Delete, piece)
			}
		}
	}
	if plan.Unchanged() {
		return nil
	}
	if ours {
		_, _, err = kernel.EnsureOwnBanSet(name, f)
	}
	if err == nil {
		err = b.dropLeftovers(kernel, &plan, touched, now)
	}
	if err == nil {
		err = kernel.ExecuteBans(&plan)
	}
	return err
}

// dropLeftovers adds to a plan what is left in the kernel of networks that are banned no
// more: other things may have been exempt when they were cut into pieces.
func (b *Book) dropLeftovers(kernel *ipsetsync.Kernel, plan *ipsetsync.BanPlan, touched map[cidr.Prefix]bool, now banlist.Clock) error {
	var free []cidr.Prefix
	isFree := func(p cidr.Prefix) bool {
		_, banned := b.table.BlockedFor(p, now)
		return !banned
	}
	for p := range touched {
		if p.Family() == plan.Family && p.Bits() < p.Family().Bits() && isFree(p) {
			free = append(free, p)
		}
	}
	if len(free) == 0 {
		return nil
	}
	_, live, err := kernel.OwnBans(plan.Name)
	if err != nil {
		return err
	}
	inside := cidr.SetOf(free...)[plan.Family]
	for q := range live {
		if inside.Contains(q) && isFree(q) {
			plan.Delete = append(plan.Delete, q)
		}
	}
	return nil
}

// liveBans are the entries of both ban sets. A set that is not there, or that somebody
// else has made, blocks nothing.
// Exceptions are entries that let somebody in; none is ours.
func liveBans(cfg config.Config, kernel *ipsetsync.Kernel) (live [2]ipsetsync.Timed, exceptions [2][]cidr.Prefix, err error) {
	for _, f := range cidr.Families {
		l, entries, err := kernel.OwnBans(cfg.BanSetName(int(f)))
		switch {
		case errors.Is(err, ipsetsync.ErrNotFound):
			continue
		case err != nil:
			return live, exceptions, err
		}
		if ipsetsync.CheckBanSet(l.Header, f) == nil {
			live[f], exceptions[f] = entries, l.Exceptions
		}
	}
	return live, exceptions, nil
}

// restoreBans makes both ban sets hold what the list says, and returns what was wrong
// with them. The list is written down if it could not be before. The caller holds
// bansLock.
func (b *Book) restoreBans(kernel *ipsetsync.Kernel, exempt cidr.Sets, dryRun bool) (found []string, err error) {
	now := state.Clock()
	live, exceptions, err := liveBans(b.Cfg, kernel)
	if err != nil {
		return nil, err
	}
	if dryRun {
		var unread error
		b.table, b.notes, unread = b.look(now)
		if errors.As(unread, new(*DamagedOldBansError)) {
			b.older = unread
		} else if unread != nil {
			b.notes = append(b.notes, unread.Error())
		}
	} else {
		b.refresh(now, func() [2]ipsetsync.Timed { return live })
		b.restamp(now)
	}
	b.table.Expire(now)
	desired := b.table.Blocked(now, exempt)
	var errs []error
	for _, f := range cidr.Families {
		name := b.Cfg.BanSetName(int(f))
		plan := ipsetsync.NewBanPlan(name, f, desired[f], live[f])
		h, err := kernel.Header(name)
		if err == nil {
			if err := ipsetsync.CheckBanSet(h, f); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		switch {
		case errors.Is(err, ipsetsync.ErrNotFound):
			found = append(found, fmt.Sprintf("the set %s was gone", name))
		case err == nil:
			if plan.Missing > 0 {
				found = append(found, fmt.Sprintf("the set %s had lost %s", name, EntriesWords(plan.Missing)))
			}
			plan.Delete = b.adoptUnwritten(b.proven(plan.Delete, exempt[f], f, now), live[f], exempt[f], now)
			if n := len(plan.Delete); n > 0 {
				found = append(found, fmt.Sprintf("the set %s had %s that no ban is for any more", name, EntriesWords(n)))
			}
			if n := len(exceptions[f]); n > 0 {
				found = append(found, fmt.Sprintf("the set %s had %s that let an address in (nomatch)", name, EntriesWords(n)))
			}
			for _, p := range exceptions[f] {
				if _, banned := desired[f][p]; !banned { // else it is written over
					plan.Delete = append(plan.Delete, p)
				}
			}
		}
		if !exempt[f].Equal(b.exempt[f]) && b.Strangers != nil {
			found = nil // it is not what it was, and nobody else has changed the set
		}
		if dryRun {
			continue
		}
		b.exempt[f] = exempt[f]
		if errors.Is(err, ipsetsync.ErrNotFound) {
			_, _, err = kernel.EnsureOwnBanSet(name, f)
		}
		if err == nil {
			err = kernel.ExecuteBans(plan)
		}
		errs = append(errs, err)
	}
	err = errors.Join(errs...)
	if !dryRun {
		b.amongLists = false // the lists are next
	}
	if len(b.Strangers) == 0 && !dryRun && err == nil {
		b.table.Settled()
		b.whole = b.whole || b.long(0) // what is gone need not be in the journal any more
	}
	return found, err
}

// strangerTime is how long a process may take to write down what it has put into the
// kernel: it may have to wait for the lock.
const strangerTime = 30 * time.Second

// proven are the entries that no ban is for and that have been there for long enough,
// so that none of them is a ban that is about to be written down. What would block
// something exempt goes at once.
func (b *Book) proven(entries []cidr.Prefix, exempt cidr.Set, f cidr.Family, now banlist.Clock) (proven []cidr.Prefix) {
	if b.Strangers == nil {
		return entries
	}
	seen := make(map[cidr.Prefix]time.Duration)
	for p, since := range b.Strangers {
		if p.Family() != f {
			seen[p] = since
		}
	}
	for _, p := range entries {
		since, before := b.Strangers[p]
		if !before {
			since = now.Up
		}
		if now.Up-since >= strangerTime || exempt.Overlaps(p) {
			proven = append(proven, p)
			continue
		}
		seen[p] = since
	}
	b.Strangers = seen
	return proven
}

func EntriesWords(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// Sync does all that keeps the bans in force and written down: with the lock.
func (b *Book) Sync(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, exempt cidr.Sets, verb string, wait time.Duration, dryRun bool) (found, notes []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Cfg = cfg
	unlock, err := lockBans(ctx, cfg, verb, wait)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	b.agreed = nil
	found, err = b.restoreBans(kernel, cidr.Union(exempt, b.lasting()), dryRun)
	if err == nil && !dryRun {
		switch kept := b.write(nil, state.Clock()); {
		case kept != nil && b.Unread != nil:
			notes = append(notes, "the list of bans cannot be read, so only what the kernel blocks already is banned: "+problem.Of(kept).Error)
		case kept != nil:
			notes = append(notes, "bans are in force, and not written down: "+problem.Of(kept).Error)
		}
		b.agree(kernel)
	}
	return found, append(b.takeNotes(), notes...), err
}
