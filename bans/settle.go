package bans

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// banRequest is a change to the list of bans. A command sends it to the agent, if one runs.
type banRequest struct {
	Add    []banWish   `json:"add,omitempty"`
	Remove *banRemoval `json:"remove,omitempty"`

	// Spared is what the caller knows to be exempt: by its configuration, which the agent may
	// not have loaded yet, and by login sessions.
	Spared []netip.Prefix `json:"spared,omitempty"`

	// Sessions are those of Spared that are peers of login sessions.
	Sessions []netip.Prefix `json:"sessions,omitempty"`

	// ByHand says that a person asks for it, and no program. It ends vetoes against bans of the
	// fleet, or is one.
	ByHand bool `json:"by_hand,omitempty"`

	// admit returns what to do instead of all this, if not nil. It is called once the requests before
	// this one are carried out, so that it sees their bans and vetoes.
	admit func() banRequest
}

// banWish is one address to be banned.
type banWish struct {
	Prefix  netip.Prefix  `json:"prefix"`
	Address netip.Prefix  `json:"address,omitzero"` // see [Ban]
	Reason  string        `json:"reason,omitempty"`
	For     time.Duration `json:"for,omitempty"`

	// Only of bans of a SeenServer or FleetServer:
	evidence string        // see [Ban]
	age      time.Duration // how long ago others have made it
}

// banRemoval says which bans to remove.
type banRemoval struct {
	Prefixes []netip.Prefix `json:"prefixes"`
	All      bool           `json:"all,omitempty"` // all with Reason, or all if it is empty
	Reason   string         `json:"reason,omitempty"`
}

// banAnswer is the result of a banRequest.
type banAnswer struct {
	Changed []Ban          `json:"changed"`
	Absent  []netip.Prefix `json:"absent,omitempty"`
	Refused []netip.Prefix `json:"refused,omitempty"` // because the table is full of bans without an end
	Evicted []Ban          `json:"evicted,omitempty"` // removed from a full table to make room
	Notes   []string       `json:"notes,omitempty"`

	Unkept *problem.Problem `json:"unkept,omitempty"` // why the change is not in the state folder
	Kernel *problem.Problem `json:"kernel,omitempty"` // why the kernel's sets are not up to date
	Lost   *problem.Problem `json:"lost,omitempty"`   // set if reading the list showed that other bans are lost
}

// changesOwn reports whether this host's own bans are others than before.
func (a banAnswer) changesOwn() bool {
	own := func(b Ban) bool { return b.Reason != FleetReason }
	return slices.ContainsFunc(a.Changed, own) || slices.ContainsFunc(a.Evicted, own)
}

// ExemptFrom returns what no ban may block.
func ExemptFrom(p *exempt.Protection) cidr.Sets { return cidr.Union(cidr.NeverBanned, p.Sets) }

// settle carries out requests: in the table, in the kernel, and then on disk. The caller holds
// state.BansLock and has called refresh. In requests, those with an admit become what that returns.
func (b *Book) settle(kernel *ipsetsync.Kernel, requests []banRequest, exempt cidr.Sets, now banlist.Clock) []banAnswer {
	answers := make([]banAnswer, len(requests))
	var lines []byte
	touched := make(map[cidr.Prefix]bool)
	for i, r := range requests {
		if r.admit != nil {
			r = r.admit()
			requests[i] = r
		}
		a := &answers[i]
		a.Changed = []Ban{}
		for _, w := range r.Add {
			ban := banlist.New(w.Prefix, w.Reason, w.For, now)
			ban.Address, ban.Evidence = w.Address, w.evidence
			ban = ban.Older(w.age)
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
		removed := b.toRemove(r, a, now)
		a.Notes = b.noteVetoes(r, removed, now)
		for _, ban := range removed {
			if b.amongLists {
				a.Kernel = problem.Of(&amongListsError{b.Cfg.Set})
			}
			b.table.Remove(ban)
			lines = banlist.AppendUnban(lines, ban, now)
			touched[cidr.FromNetip(ban.Prefix)] = true
			a.Changed = append(a.Changed, ban)
		}
	}
	if slices.ContainsFunc(answers, banAnswer.changesOwn) {
		b.own.another()
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
		answers[i].Unkept, answers[i].Notes, answers[i].Lost = problem.If(kept), slices.Concat(notes, answers[i].Notes), lost
	}
	return answers
}

// amongListsError says that a removed ban still blocks, since an older version put it into the
// set of the lists.
type amongListsError struct{ set string }

func (e *amongListsError) Error() string {
	return "an older version of voipbl kept bans in the set " + e.set + ", and no sync has moved them since"
}

// Remedy says what to do about it.
func (*amongListsError) Remedy() string { return "run \"voipbl sync\"" }

// lostNow is the problem that bans may be lost, if that has not been reported yet; else nil.
func (b *Book) lostNow() *problem.Problem {
	switch {
	case !b.lost:
		return nil
	case b.older != nil:
		return problem.Of(b.older)
	}
	return LostBans(b.Cfg)
}

// takeNotes returns the notes for the admin, each only once.
func (b *Book) takeNotes() []string {
	notes := b.notes
	b.notes, b.lost = nil, false
	return notes
}

// toRemove finds the bans to remove. A ban that has ended counts as absent.
func (b *Book) toRemove(request banRequest, a *banAnswer, now banlist.Clock) []Ban {
	if request.Remove == nil {
		return nil
	}
	r := *request.Remove
	b.table.Expire(now)
	if r.All {
		return b.table.WithReason(r.Reason)
	}
	var all []Ban
	for _, p := range r.Prefixes {
		found := b.table.Find(p, r.Reason)
		if wide, ok := vetoable(p); ok && wide != p && request.ByHand {
			found = append(found, b.table.Find(wide, FleetReason)...)
		}
		if len(found) == 0 && r.Reason == "" {
			a.Absent = append(a.Absent, p)
		}
		all = append(all, found...)
	}
	return all
}

// settleKernel updates the kernel's entries for the touched prefixes from the table.
func (b *Book) settleKernel(kernel *ipsetsync.Kernel, touched map[cidr.Prefix]bool, exempt cidr.Sets, now banlist.Clock) error {
	if kernel == nil {
		return errors.New("the kernel's sets cannot be reached")
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

// settleSet is settleKernel for one set. If ours, the set is created when it is missing.
func (b *Book) settleSet(kernel *ipsetsync.Kernel, name string, f cidr.Family, ours bool, touched map[cidr.Prefix]bool, exempt cidr.Sets, now banlist.Clock) (err error) {
	plan := ipsetsync.BanPlan{Name: name, Family: f}
	for p := range touched {
		if p.Family() != f {
			continue
		}
		pieces := banlist.Pieces(p, exempt)
		if len(pieces) == 0 { // it has become exempt since it was banned
			plan.Delete = append(plan.Delete, p)
		}
		for _, piece := range pieces {
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
		_, err = kernel.EnsureOwnBanSet(name, f)
	}
	if err == nil {
		err = b.dropLeftovers(kernel, &plan, touched, now)
	}
	if err == nil {
		err = kernel.ExecuteBans(&plan)
	}
	return err
}

// dropLeftovers adds to a plan the deletion of pieces left in the kernel of networks that are
// no longer banned: other addresses may have been exempt when they were cut into pieces.
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

// liveBans returns the entries of both sets of bans. A missing set, or one that somebody else
// made, has none. sets has nil for a missing one, and otherwise its exceptions: entries with
// nomatch, which let an address in; voipbl adds none.
func liveBans(cfg config.Config, kernel *ipsetsync.Kernel) (live [2]ipsetsync.Timed, sets [2]*ipsetsync.Live, err error) {
	for _, f := range cidr.Families {
		set, entries, err := kernel.OwnBans(cfg.BanSetName(int(f)))
		switch {
		case errors.Is(err, ipsetsync.ErrNotFound):
			continue
		case err != nil:
			return live, sets, err
		}
		sets[f] = set
		if ipsetsync.CheckBanSet(set.Header, f) == nil {
			live[f] = entries
		}
	}
	return live, sets, nil
}

// restoreBans makes both sets of bans equal to the list, and returns what was wrong with
// them. It writes the list down if that failed before. The caller holds state.BansLock.
func (b *Book) restoreBans(kernel *ipsetsync.Kernel, exempt cidr.Sets, dryRun bool) (found []string, err error) {
	now := state.Clock()
	live, sets, err := liveBans(b.Cfg, kernel)
	if err != nil {
		return nil, err
	}
	if dryRun {
		var unread error
		b.table, b.notes, unread = b.look(now)
		if errors.As(unread, new(*damagedOldBansError)) {
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
		if set := sets[f]; set == nil {
			found = append(found, fmt.Sprintf("the set %s was gone", name))
		} else if err := ipsetsync.CheckBanSet(set.Header, f); err != nil {
			errs = append(errs, err)
			continue
		} else {
			if plan.Missing > 0 {
				found = append(found, fmt.Sprintf("the set %s had lost %s", name, EntriesWords(plan.Missing)))
			}
			plan.Delete = b.adoptUnwritten(b.proven(plan.Delete, exempt[f], f, now), live[f], exempt[f], now)
			if n := len(plan.Delete); n > 0 {
				found = append(found, fmt.Sprintf("the set %s had %s that no ban is for any more", name, EntriesWords(n)))
			}
			if n := len(set.Exceptions); n > 0 {
				found = append(found, fmt.Sprintf("the set %s had %s that let an address in (nomatch)", name, EntriesWords(n)))
			}
			for _, p := range set.Exceptions {
				if _, banned := desired[f][p]; !banned { // else adding it overwrites the exception
					plan.Delete = append(plan.Delete, p)
				}
			}
		}
		if !exempt[f].Equal(b.exempt[f]) && b.Strangers != nil {
			found = nil // the exempt addresses have changed, so this is not somebody else's doing
		}
		if dryRun {
			continue
		}
		if !exempt[f].Equal(b.exempt[f]) {
			b.own.another() // a ban of who is exempt is none that others are told of
		}
		b.exempt[f] = exempt[f]
		var err error
		if sets[f] == nil {
			_, err = kernel.EnsureOwnBanSet(name, f)
		}
		if err == nil {
			err = kernel.ExecuteBans(plan)
		}
		errs = append(errs, err)
	}
	err = errors.Join(errs...)
	if !dryRun {
		b.amongLists = false // the sets of the lists are done next
	}
	if len(b.Strangers) == 0 && !dryRun && err == nil {
		b.table.Settled()
		b.whole = b.whole || b.long(0) // ended bans need not stay in the journal
	}
	return found, err
}

// strangerTime is how long a process may take, including the wait for the lock, to write down
// a ban that it has added to the kernel.
const strangerTime = 30 * time.Second

// proven returns the entries without a ban that are to be deleted: those that have been there
// too long to be a ban that is about to be written down, and at once those that block an
// exempt address.
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

// EntriesWords is "1 entry", "2 entries" and so on.
func EntriesWords(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// Sync takes the lock, and makes the kernel's sets, the list and its journal agree.
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
	if !dryRun {
		b.withoutFleet(kernel, cidr.Union(exempt, b.lasting()))
	}
	found, err = b.restoreBans(kernel, cidr.Union(exempt, b.lasting()), dryRun)
	if err == nil && !dryRun {
		switch kept := b.write(nil, state.Clock()); {
		case kept != nil && b.Unread != nil:
			notes = append(notes, "the list of bans cannot be read, so only what the kernel blocks already is banned: "+problem.Of(kept).Error)
		case kept != nil:
			notes = append(notes, "bans are in force, and not written down: "+problem.Of(kept).Error)
		}
		if b.Strangers != nil { // the agent, which makes quick checks
			b.agree(kernel)
		}
	}
	return found, append(b.takeNotes(), notes...), err
}
