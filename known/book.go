package known

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// File is the name of the list's copies. The one in the run folder, which is in memory, is
// written with each change, the one in the state folder when phones have come or gone, and every
// keepEvery: a registration is renewed every minute. The newest valid copy counts.
const File = "phones"

// keepEvery is how old the copy in the state folder may be, if only ends of registrations have
// changed. A boot shortens the times of phones by at most that.
const keepEvery = 10 * time.Minute

// Book is the list as its files have it.
type Book struct {
	List
	kept    *List // the copy in the state folder, if it is valid
	damaged [2]bool
	unread  error // why no copy can be read, although there is one
	spoilt  bool  // and all of them are damaged, so that none will ever be read
}

// dirs are the folders of the copies.
func dirs(cfg config.Config) [2]string { return [2]string{cfg.RunDir, cfg.StateDir} }

// Read reads the list as it is now, of phones that are spared: none with pbx.trust_registered: false.
// It changes nothing. The problem says why there may be more phones than the list has; nil if there
// are not.
func Read(cfg config.Config) (List, *problem.Problem) {
	if !cfg.PBX.TrustRegistered {
		return List{}, nil
	}
	return ReadAll(cfg)
}

// ReadAll is Read, also of phones that are not spared. Whoever bans attackers has to know phones all the
// same.
func ReadAll(cfg config.Config) (List, *problem.Problem) {
	b := read(cfg, state.Clock())
	return b.List, problem.If(b.problem())
}

func read(cfg config.Config, now deadline.Clock) (b Book) {
	var errs []error
	valid := 0
	for i, dir := range dirs(cfg) {
		l, err := readCopy(dir)
		switch {
		case err == nil:
			valid++
			if l.Serial > b.Serial {
				b.List = l
			}
			if dir == cfg.StateDir {
				b.kept = &l
			}
		case !problem.IsAbsent(err):
			b.damaged[i] = state.IsDamaged(err)
			errs = append(errs, err)
		}
	}
	if valid == 0 && len(errs) > 0 {
		b.unread = errors.Join(errs...)
		b.spoilt = !slices.ContainsFunc(errs, func(err error) bool { return !state.IsDamaged(err) })
	}
	b.List = b.List.At(now)
	return b
}

func readCopy(dir string) (List, error) {
	path := filepath.Join(dir, File+".json")
	if _, err := os.Lstat(path); problem.IsAbsent(err) {
		return List{}, err // on a host without phones: do not open the folder
	}
	store, err := fetch.FindStore(dir)
	if err != nil {
		return List{}, err
	}
	defer store.Close()
	var f file
	if err := store.ReadJSON(File, &f); err != nil {
		return List{}, err
	}
	l, err := f.decode()
	if err != nil {
		return List{}, &fetch.DamagedError{Path: path, Why: err.Error()}
	}
	return l, nil
}

func (b Book) problem() error {
	if b.unread == nil {
		return nil
	}
	return &unreadError{b.unread, b.spoilt}
}

// unreadError is returned if there is a list and it cannot be read.
type unreadError struct {
	err    error
	spoilt bool
}

func (e *unreadError) Error() string {
	return "the list of registered phones cannot be read, so lists may block them until they register again: " + problem.Line(e.err)
}

func (e *unreadError) Unwrap() error { return e.err }

// Remedy returns what to do about it.
func (e *unreadError) Remedy() string {
	if e.spoilt {
		return "run \"voipbl sync\": it keeps the damaged list under another name, and begins a new one"
	}
	return "mend the disk"
}

// write writes a changed list. It succeeds if one of the folders has it; then unkept says why it is
// not in the state folder, so that a boot would lose it. The caller holds the lock.
func (b Book) write(cfg config.Config, l List) (unkept, err error) {
	l.Serial = max(b.Serial+1, l.Written.Wall.UnixMilli())
	run := writeCopy(fetch.OpenStore, cfg.RunDir, l, b.damaged[0])
	if run == nil && !b.due(cfg, l) {
		return nil, nil
	}
	open := func(string) (*fetch.Store, error) { return state.OpenStore(cfg) }
	unkept = writeCopy(open, cfg.StateDir, l, b.damaged[1])
	if run != nil && unkept != nil {
		return nil, errors.Join(run, unkept)
	}
	return unkept, nil
}

// due reports whether the copy in the state folder is to be written. If the last write has failed, it is
// even if the copy is right again, since [Unkept] goes by that.
func (b Book) due(cfg config.Config, l List) bool {
	same := func(a, b Phone) bool { return compare(a, b) == 0 }
	return b.kept == nil || state.IsUnwritten(cfg, File+".json") || l.Written.Passed(b.kept.Written) >= keepEvery || !slices.EqualFunc(b.kept.Phones, l.Phones, same)
}

// Unkept returns the problem that the state folder has not the lists as they are now; nil if it has.
func Unkept(cfg config.Config) *problem.Problem {
	var which []string
	if state.IsUnwritten(cfg, File+".json") {
		which = append(which, "registered phones")
	}
	if state.IsUnwritten(cfg, TrunksFile+".json") {
		which = append(which, "trunks")
	}
	if !cfg.PBX.TrustRegistered || len(which) == 0 {
		return nil
	}
	return &problem.Problem{
		Reason: "not-written-down",
		Error:  "some " + strings.Join(which, " and ") + " are known and not written down: a boot would lose them, or bring back those that were banned",
		Remedy: "make room in state_dir, and see that it can be written to; then \"voipbl sync\" writes them down",
	}
}

// keep writes the lists into the state folder if that has not all of them, or others. If that fails
// again, [Unkept] goes on saying so.
func keep(ctx context.Context, cfg config.Config, verb string, wait time.Duration) error {
	if Unkept(cfg) == nil {
		return nil
	}
	unlock, err := lock(ctx, cfg, verb, wait)
	if err != nil {
		return err
	}
	defer unlock()
	trunks, kept, _ := readTrunks(cfg, state.Clock())
	if state.IsUnwritten(cfg, TrunksFile+".json") {
		_, err = writeTrunks(cfg, kept, trunks)
	}
	b := read(cfg, trunks.Written)
	if b.unread != nil {
		return err // see Mend
	}
	_, phones := b.write(cfg, b.List)
	return errors.Join(err, phones)
}

// writeCopy replaces a copy. If aside is true, a damaged one is put aside first, so that a person
// can look at it.
func writeCopy(open func(dir string) (*fetch.Store, error), dir string, l List, aside bool) error {
	store, err := open(dir)
	if err != nil {
		return err
	}
	defer store.Close()
	if aside {
		store.SetAsideJSON(File) // overwritten if it cannot be put aside
	}
	return store.WriteJSON(File, l.encode())
}

func lock(ctx context.Context, cfg config.Config, verb string, wait time.Duration) (func(), error) {
	return state.Lock(ctx, cfg.RunDir, state.PhonesLock, verb, wait, nil)
}

// Forget takes the phones in networks off the list, since they are banned, and returns what it
// took off. verb is the command that bans. It waits for a registration that is under way, which may
// have begun before the ban.
func Forget(ctx context.Context, cfg config.Config, verb string, networks []netip.Prefix, wait time.Duration) ([]Phone, error) {
	unlock, err := lock(ctx, cfg, verb, wait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	b := read(cfg, state.Clock())
	rest, gone := b.without(networks)
	if len(gone) == 0 {
		return nil, nil
	}
	if _, err := b.write(cfg, rest); err != nil {
		return nil, &unforgottenError{err}
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		return gone, err
	}
	defer kernel.Close()
	return gone, fill(cfg, kernel, rest)
}

// unforgottenError says that a ban could not take a phone off the list.
type unforgottenError struct{ err error }

func (e *unforgottenError) Error() string {
	return "it stays on the list of registered phones, which cannot be written: " + problem.Line(e.err)
}

func (e *unforgottenError) Unwrap() error { return e.err }

// Mend begins a new list if all copies are damaged, and keeps these under another name. It returns
// what a person should know.
func Mend(ctx context.Context, cfg config.Config, verb string, wait time.Duration) (note string, err error) {
	if !read(cfg, state.Clock()).spoilt {
		return "", nil
	}
	unlock, err := lock(ctx, cfg, verb, wait)
	if err != nil {
		return "", err
	}
	defer unlock()
	b := read(cfg, state.Clock())
	if !b.spoilt {
		return "", nil
	}
	note = problem.Line(b.problem()) + "; what is damaged is kept under another name, and a new list has begun"
	_, err = b.write(cfg, b.List)
	return note, err
}

// Settle makes the kernel's sets of phones equal to the list, and returns what was wrong with
// them. It also writes down what could not be written before. If dryRun, it changes nothing.
func Settle(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, verb string, wait time.Duration, dryRun bool) (found []string, err error) {
	if !dryRun {
		if err := keep(ctx, cfg, verb, wait); err != nil {
			return nil, err
		}
	}
	if !cfg.KnowsPhones() {
		return nil, nil
	}
	found, plans, err := differ(cfg, kernel, read(cfg, state.Clock()).List)
	if dryRun || err == nil && !slices.ContainsFunc(plans, func(p *ipsetsync.BanPlan) bool { return !p.Unchanged() }) {
		return found, err
	}
	unlock, err := lock(ctx, cfg, verb, wait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	found, plans, err = differ(cfg, kernel, read(cfg, state.Clock()).List) // who held the lock may have changed both
	return found, errors.Join(err, execute(kernel, plans))
}

// fill makes the kernel's sets equal to the list.
func fill(cfg config.Config, kernel *ipsetsync.Kernel, l List) error {
	if !cfg.KnowsPhones() {
		return nil
	}
	_, plans, err := differ(cfg, kernel, l)
	return errors.Join(err, execute(kernel, plans))
}

// differ plans what makes the kernel's sets equal to the list, and says what is wrong with them.
// A set that another program has made is left alone. A missing one is made with the rules that name
// it (see package rules).
func differ(cfg config.Config, kernel *ipsetsync.Kernel, l List) (found []string, plans []*ipsetsync.BanPlan, err error) {
	desired := [2]ipsetsync.Timed{{}, {}}
	for _, from := range []map[netip.Addr]time.Duration{l.Unlimited(), ReadTrunks(cfg).unlimited()} {
		for addr, left := range from {
			p := cidr.FromNetip(netip.PrefixFrom(addr, addr.BitLen()))
			desired[p.Family()][p] = max(desired[p.Family()][p], left)
		}
	}
	var errs []error
	for _, f := range cidr.Families {
		name := cfg.KnownSetName(int(f))
		live, err := kernel.Known(name, f)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p := ipsetsync.NewBanPlan(name, f, desired[f], live)
		switch n := len(p.Delete); {
		case p.Missing > 0:
			found = append(found, fmt.Sprintf("the set %s lacked %s of phones and trunks", name, addresses(p.Missing)))
		case n > 0:
			found = append(found, fmt.Sprintf("the set %s had %s of no phone or trunk", name, addresses(n)))
		}
		plans = append(plans, p)
	}
	return found, plans, errors.Join(errs...)
}

func execute(kernel *ipsetsync.Kernel, plans []*ipsetsync.BanPlan) error {
	var errs []error
	for _, p := range plans {
		errs = append(errs, kernel.ExecuteBans(p))
	}
	return errors.Join(errs...)
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
