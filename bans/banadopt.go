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

// What the kernel blocks is believed where the list of bans is lost, damaged, or lacks an
// entry.

// onlyKernel makes the list of what the kernel blocks, and of what is in the run folder.
func (b *Book) onlyKernel(now banlist.Clock, live func() [2]ipsetsync.Timed) {
	b.table = banlist.NewTable()
	b.table.Replay(b.readUnkept(), now)
	b.adopt(now, live())
}

// damaged puts the list aside that cannot be understood.
func (b *Book) damaged(setAside func(string) (string, error), why string) {
	b.spoilt = true
	b.putAside(setAside, why, "what the kernel blocks stays banned")
}

// putAside is for a list of which why says how it is damaged, and rest what becomes of it.
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

// damagedOld puts the list of an older version aside, of which so many bans could be read.
// That one kept them in the set of the lists, where nothing tells them from lists.
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
		b.older = &DamagedOldBansError{why}
	}
}

// DamagedOlder is what is wrong with the list of an older version: it is damaged and could
// not be put aside, or was put aside.
func (b *Book) DamagedOlder() *problem.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.older != nil {
		return problem.Of(b.older)
	}
	return LostBans(b.Cfg)
}

// LostBans is that bans of an older version may be lost: for as long as the damaged list is
// there that was put aside, so that everybody says so until an admin has looked at it.
func LostBans(cfg config.Config) *problem.Problem {
	store, err := state.FindStore(cfg)
	if store == nil || err != nil {
		return nil // which is said by those who need the folder
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

// sameEnd is how far the kernel's end of an entry may be from that of the ban that has
// made it: both count in different steps.
const sameEnd = time.Minute

// adopt makes bans of what the kernel blocks and the list does not know, or not for so
// long. What a ban has been cut into around exempt addresses is that ban's.
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

// adoptUnwritten makes bans of those entries without a ban that nothing explains: a ban
// that could be written down nowhere, on a full disk. It returns the others, which are to
// leave: what is exempt, what has ended or was taken back, and what another ban was cut
// into.
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

// believeKernel makes what could be read of a damaged list agree with the kernel: what
// the kernel does not block was taken back in a line that is lost. That is so only if it
// blocks most of the list: after a boot or a flush there may be a few new bans alone.
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

// keys are the entries of a set, if a prefix can have some of them inside it.
func keys(set ipsetsync.Timed, p cidr.Prefix) (all []cidr.Prefix) {
	if p.Bits() == p.Family().Bits() {
		return nil
	}
	for q := range set {
		all = append(all, q)
	}
	return all
}
