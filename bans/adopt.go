package bans

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// This file rebuilds the list of bans from the kernel's sets where the list is lost, damaged
// or lacks an entry.

// onlyKernel makes a new list from the kernel's sets and the journal in the run folder.
func (b *Book) onlyKernel(now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.table = banlist.NewTable()
	b.table.Replay(b.readUnkept(), now)
	b.adopt(now, live())
}

// damaged puts aside a list that cannot be understood.
func (b *Book) damaged(setAside func(string) (string, error), why string) {
	b.spoilt = true
	b.putAside(setAside, why, "what the kernel blocks stays banned")
}

// putAside puts a damaged list aside and notes it: why says how it is damaged, rest what
// happens to its bans. It returns the new path, or "" if that failed.
func (b *Book) putAside(setAside func(string) (string, error), why, rest string) (path string) {
	b.whole = true
	path, err := setAside(File)
	if err != nil {
		b.notes = append(b.notes, fmt.Sprintf("the list of bans is damaged (%s), and could not be put aside: %v", why, err))
		return ""
	}
	b.notes = append(b.notes, fmt.Sprintf("the list of bans was damaged (%s), and is now %s: %s", why, path, rest))
	return path
}

// damagedOld puts aside a damaged list of an older version; read is how many of its bans could
// be read. The kernel cannot restore the others: that version kept its bans in the set of the
// lists, among the entries of lists.
func (b *Book) damagedOld(store *fetch.Store, read int, why error) {
	b.lost = true
	rest := "no ban in it can be read"
	switch {
	case read == 1:
		rest = "the 1 ban that can be read stays, others may be lost"
	case read > 1:
		rest = fmt.Sprintf("the %d bans that can be read stay, others may be lost", read)
	}
	if path := b.putAside(store.SetAsideJSON, problem.Line(why), rest); path == "" {
		b.older = &damagedOldBansError{why}
	}
}

// DamagedOlder is the problem that the list of an older version is damaged, whether or not it
// could be put aside; nil if there is none.
func (b *Book) DamagedOlder() *problem.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.older != nil {
		return problem.Of(b.older)
	}
	return LostBans(b.Cfg)
}

// LostBans is the problem that bans of an older version may be lost. It lasts as long as the
// damaged list that was put aside is there, so every command reports it until an admin has
// looked.
func LostBans(cfg config.Config) *problem.Problem {
	store, err := state.FindStore(cfg)
	if store == nil || err != nil {
		return nil // reported by what needs the folder
	}
	defer store.Close()
	paths := store.AsideJSON(File)
	if len(paths) == 0 {
		return nil
	}
	return &problem.Problem{
		Reason: "bans-lost",
		Error:  "bans of an older version of voipbl may be lost: those of them that cannot be read block nobody",
		Remedy: fmt.Sprintf("look at \"voipbl bans\", and ban again each address that is missing there (%[1]s has what is left of the old list); then: rm %[1]s", strings.Join(paths, " ")),
	}
}

// sameEnd is how far apart the ends of a ban and of its entry in the kernel may be: they are
// counted in different steps.
const sameEnd = time.Minute

// adopt adds bans for entries in the kernel that the list does not have, or not for so long.
// The pieces that a ban was cut into around exempt addresses belong to that ban.
func (b *Book) adopt(now banlist.Clock, live [2]ipsetsync.Timed) {
	if n := b.adoptAs(banlist.Lost, now, live); n > 0 {
		made := "1 ban was made"
		if n > 1 {
			made = fmt.Sprintf("%d bans were made", n)
		}
		b.notes = append(b.notes, made+" of what the kernel blocks and the list does not have: the reason is not known")
	}
}

func (b *Book) adoptAs(reason string, now banlist.Clock, live [2]ipsetsync.Timed) (adopted int) {
	var unknown []Ban
	for f := range live {
		for p, left := range live[f] {
			last, known := b.table.BlockedFor(p, now)
			uncounted := last == banlist.Forever || last > ipsetsync.MaxTimeout
			if known && (uncounted || left != banlist.Forever && left <= last+sameEnd) {
				continue
			}
			unknown = append(unknown, banlist.New(p.Netip(), reason, left, now))
		}
	}
	for _, ban := range unknown {
		b.table.Add(ban)
	}
	b.whole = b.whole || len(unknown) > 0
	return len(unknown)
}

// adoptUnwritten adds bans for entries without one that must come from a ban that could not be
// written down anywhere, as on a full disk. It returns the other entries, which are to be
// deleted: what is exempt, what has ended or was removed, and pieces of another ban.
func (b *Book) adoptUnwritten(entries []cidr.Prefix, live ipsetsync.Timed, exempt cidr.Set, now banlist.Clock) (leave []cidr.Prefix) {
	var unwritten [2]ipsetsync.Timed
	for _, p := range entries {
		if _, banned := b.table.BlockedFor(p, now); banned || exempt.Overlaps(p) || b.table.Gone(p) {
			leave = append(leave, p)
			continue
		}
		if unwritten[p.Family()] == nil {
			unwritten[p.Family()] = make(ipsetsync.Timed)
		}
		unwritten[p.Family()][p] = live[p]
	}
	if n := b.adoptAs(banlist.Unwritten, now, unwritten); n > 0 {
		b.notes = append(b.notes, fmt.Sprintf("the kernel blocks %s that the list of bans did not have: now it has, with the reason %q", EntriesWords(n), banlist.Unwritten))
	}
	return leave
}

// believeKernel removes bans from a damaged list that the kernel does not block: the line that
// removed them is lost. It does so only if the kernel blocks most of the list, since after a
// boot or a flush the kernel may have only a few new bans.
func (b *Book) believeKernel(now banlist.Clock, live [2]ipsetsync.Timed) {
	all := b.table.Bans(now)
	var gone []Ban
	for _, ban := range all {
		p := cidr.FromNetip(ban.Prefix)
		inside := func(q cidr.Prefix) bool { return p.Contains(q) }
		if _, found := live[p.Family()][p]; !found && !slices.ContainsFunc(keys(live[p.Family()], p), inside) {
			gone = append(gone, ban)
		}
	}
	if len(gone)*2 <= len(all) {
		for _, ban := range gone {
			b.table.Remove(ban)
		}
	}
	b.adopt(now, live)
}

// keys returns the entries of a set, or none if p is too narrow to contain any.
func keys(set ipsetsync.Timed, p cidr.Prefix) (all []cidr.Prefix) {
	if p.Bits() == p.Family().Bits() {
		return nil
	}
	for q := range set {
		all = append(all, q)
	}
	return all
}
