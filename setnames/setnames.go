package setnames

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// setNamesFile has the names with which our sets were made in this kernel. It is in the
// run folder, and also in the state folder in case the other one is damaged or full. An
// admin may change the names in the configuration at any time, also while voipbl does not
// run; the kernel still has the sets of the old names then.
const setNamesFile = "set-names"

// setNames is the content of that file.
type setNames struct {
	Kernel string      `json:"kernel"` // see [firewall.Kernel]
	Names  []NamesPair `json:"names"`
}

// NamesPair is the set names of one configuration.
type NamesPair struct {
	Set      string `json:"set"`
	BanSet   string `json:"ban_set"`
	KnownSet string `json:"known_set"`
}

func NamesOf(cfg config.Config) NamesPair { return NamesPair{cfg.Set, cfg.BanSet, cfg.KnownSet} }

// in returns the configuration with these names.
func (p NamesPair) in(cfg config.Config) config.Config {
	cfg.Set, cfg.BanSet, cfg.KnownSet = p.Set, p.BanSet, p.KnownSet
	return cfg
}

// namesCopy is the content of one of the two files.
type namesCopy struct {
	dir   string
	there bool        // the file exists and is from this boot
	names []NamesPair // the names in it
	lost  error       // why the names are not known; nil if they are, or if there is no file of this boot
}

// stays reports whether the file cannot be read now and must not be overwritten.
func (c *namesCopy) stays() bool { return c.lost != nil && !state.IsDamaged(c.lost) }

// ReadSetNames reads both files.
func ReadSetNames(cfg config.Config) (copies [2]namesCopy) {
	for i, dir := range []string{cfg.RunDir, cfg.StateDir} {
		c := &copies[i]
		c.dir = dir
		store, err := fetch.FindStore(dir)
		if err == nil {
			c.names, c.there, err = namesIn(store)
			store.Close()
		}
		if !problem.IsAbsent(err) {
			c.lost = err
		}
	}
	return copies
}

func namesIn(store *fetch.Store) (names []NamesPair, there bool, err error) {
	var n setNames
	now := firewall.Kernel()
	switch err := store.ReadJSON(setNamesFile, &n); {
	case err != nil:
		return nil, false, err
	case now == "" && n.Kernel != "":
		return nil, false, errors.New("it cannot be told of what boot the names are")
	case n.Kernel != now:
		return nil, false, nil
	}
	for i := range n.Names {
		if n.Names[i].KnownSet == "" { // a version that had no such set has written it
			n.Names[i].KnownSet = config.Default().KnownSet
		}
	}
	return n.Names, true, nil
}

func (c *namesCopy) write(cfg config.Config, file setNames) error {
	if c.stays() {
		return c.lost
	}
	open := func() (*fetch.Store, error) { return fetch.OpenStore(c.dir) }
	if c.dir == cfg.StateDir {
		open = func() (*fetch.Store, error) { return state.OpenStore(cfg) }
	}
	store, err := open()
	if err != nil {
		return err
	}
	defer store.Close()
	return store.WriteJSON(setNamesFile, file)
}

var errNoNames = errors.New("nothing in run_dir or state_dir tells them")

// KnownNames returns the names of both files. lost is why some may be missing: neither file
// has the configured names, which are noted before their sets are made, and a file cannot be
// read or both are missing. (After a removal there is a file without names.)
func KnownNames(cfg config.Config, copies [2]namesCopy) (names []NamesPair, lost error) {
	names = AddNames(slices.Clone(copies[0].names), copies[1].names...)
	if slices.Contains(names, NamesOf(cfg)) {
		return names, nil
	}
	lost = errors.Join(copies[0].lost, copies[1].lost)
	if lost == nil && !copies[0].there && !copies[1].there {
		lost = errNoNames
	}
	return names, lost
}

func AddNames(names []NamesPair, more ...NamesPair) []NamesPair {
	for _, pair := range more {
		if !slices.Contains(names, pair) {
			names = append(names, pair)
		}
	}
	return names
}

// NoteSetNames writes down the names of a configuration before their sets are made, and
// those of existing sets that our rules name. It fails if neither file could be written.
func NoteSetNames(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	copies := ReadSetNames(cfg)
	wanting := func(c namesCopy) bool { return !slices.Contains(c.names, NamesOf(cfg)) }
	if !slices.ContainsFunc(copies[:], wanting) {
		return nil
	}
	names, _ := NamesThere(ctx, cfg, copies, kernel)
	names = AddNames(names, NamesOf(cfg)) // last, as LastConfig expects
	var errs [len(copies)]error
	file := setNames{firewall.Kernel(), names} // as this goroutine's network namespace has it
	var writing sync.WaitGroup                 // each waits for its disk
	for i, c := range copies {
		if wanting(c) {
			writing.Go(func() { errs[i] = c.write(cfg, file) })
		}
	}
	writing.Wait()
	if slices.Contains(errs[:], nil) {
		return nil
	}
	return fmt.Errorf("the names of the sets are not remembered, so \"voipbl remove\" may not find them after another one is configured: %w", errors.Join(errs[:]...))
}

// NamesThere returns the known names. If some may be missing and there are sets that may
// have them, it adds the names in our rules.
func NamesThere(ctx context.Context, cfg config.Config, copies [2]namesCopy, kernel *ipsetsync.Kernel) (names []NamesPair, lost error) {
	names, lost = KnownNames(cfg, copies)
	if lost == nil {
		return names, nil
	}
	others, err := OtherSets(kernel, append(ConfigsOf(cfg, names), cfg)...)
	if err != nil || len(others) > 0 {
		names = AddNames(names, NamesOfRules(cfg, firewall.ReadUsers(ctx))...)
	}
	return names, lost
}

// NamesOfRules returns the names of the sets whose members our rules drop.
func NamesOfRules(cfg config.Config, rules *firewall.Users) (names []NamesPair) {
	for _, d := range rules.DropSets() {
		pair := NamesOf(cfg)
		if d.List != "" {
			pair.Set = d.List
		}
		if d.Bans != "" {
			pair.BanSet = d.Bans
		}
		names = AddNames(names, pair)
	}
	return names
}

// OtherSets returns the sets that look like ours and that no known configuration names.
func OtherSets(kernel *ipsetsync.Kernel, known ...config.Config) (others []NamedSet, err error) {
	all, err := kernel.BanSets(func(name string) bool {
		return !slices.ContainsFunc(known, func(cfg config.Config) bool { return NamesSet(cfg, name) })
	})
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		for _, use := range []use{bans, phones, lists} {
			if use.fits(h, h.Family) && (use != lists || ipsetsync.LooksLikeList(h)) {
				others = append(others, NamedSet{h.Name, h.Family, use})
				break
			}
		}
	}
	return others, nil
}

// formerConfigs returns the configuration once for each pair of former names of our
// sets; lost is why some may be missing.
func formerConfigs(cfg config.Config) (all []config.Config, lost error) {
	names, lost := KnownNames(cfg, ReadSetNames(cfg))
	return ConfigsOf(cfg, names), lost
}

// ConfigsOf returns the configuration once for each pair of names that is not its own.
func ConfigsOf(cfg config.Config, names []NamesPair) (all []config.Config) {
	for _, pair := range names {
		if pair != NamesOf(cfg) {
			all = append(all, pair.in(cfg))
		}
	}
	return all
}

// NamesInForce returns the configuration with the names of the sets that our rules use now.
// The names in the file may be new; until a sync has filled those sets, rules that used them
// would let in everyone whom the old sets keep out.
func NamesInForce(ctx context.Context, cfg config.Config) config.Config {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return cfg
	}
	defer kernel.Close()
	used, _ := NamesUsed(ctx, cfg, kernel)
	return used
}

// NamesUsed is [NamesInForce] with an open kernel. It also returns what [NamesTaken] says.
func NamesUsed(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) (used config.Config, taken error) {
	taken = NamesTaken(ctx, cfg, kernel, kernel.Header)
	if areThere(cfg, kernel) && taken == nil && asked(cfg, kernel) {
		return cfg, taken
	}
	former, _ := formerConfigs(cfg) // a sync reports what cannot be read
	former = append(former, ConfigsOf(cfg, NamesOfRules(cfg, firewall.ReadUsers(ctx)))...)
	for _, old := range slices.Backward(former) {
		if h, err := kernel.Header(old.Set); err == nil && ipsetsync.IsOurs(h, cidr.IPv4) && h.References > 0 {
			return old, taken
		}
	}
	return cfg, taken
}

// NamesOfApply returns the configuration with the names that an apply goes by: those in force. Where
// all rules are another program's, it is the configured ones once a sync has filled those sets, since
// that program is to ask them.
func NamesOfApply(ctx context.Context, file config.Config) config.Config {
	now := NamesInForce(ctx, file)
	if !settings.LeavesRules(file) || NamesOf(now) == NamesOf(file) {
		return now
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		return now
	}
	defer kernel.Close()
	filled := func(name string) bool {
		h, err := kernel.Header(name)
		return err == nil && h.Elements > 0
	}
	for _, f := range cidr.Families {
		if filled(now.SetName(int(f))) && !filled(file.SetName(int(f))) || filled(now.BanSetName(int(f))) && !filled(file.BanSetName(int(f))) {
			return now
		}
	}
	if !areThere(file, kernel) {
		return now
	}
	return file
}

// areThere reports whether the kernel has sets with the configuration's names.
func areThere(cfg config.Config, kernel *ipsetsync.Kernel) bool {
	absent := func(name string) bool {
		_, err := kernel.Kind(name)
		return errors.Is(err, ipsetsync.ErrNotFound)
	}
	return !absent(cfg.Set) && !absent(cfg.BanSet)
}

// OnlyOwnAsk reports whether all that is known to ask the sets of a configuration are voipbl's own
// rules.
func OnlyOwnAsk(ctx context.Context, cfg config.Config) bool {
	rules := firewall.ReadUsers(ctx)
	own := len(NamesOfRules(cfg, rules)) > 0
	for _, f := range cidr.Families {
		for _, set := range []string{cfg.SetName(int(f)), cfg.BanSetName(int(f))} {
			own = own && len(rules.ForeignOfSet(set)) == 0
		}
	}
	return own
}

// asked reports whether a rule or list refers to one of the sets of a configuration.
func asked(cfg config.Config, kernel *ipsetsync.Kernel) bool {
	var names []string
	for _, f := range cidr.Families {
		names = append(names, cfg.BanSetName(int(f)))
	}
	// The sets of lists last, because a large set takes longer to look at.
	return slices.ContainsFunc(append(names, cfg.Set, cfg.SetName6()), func(name string) bool {
		h, err := kernel.Header(name)
		return err == nil && h.References > 0
	})
}

// ByNamesInForce calls do with the names in force, and again if a sync has changed them
// meanwhile.
func ByNamesInForce(ctx context.Context, file config.Config, do func(cfg config.Config) error) error {
	const mostTries = 3
	cfg := NamesInForce(ctx, file)
	for try := 1; ; try++ {
		if err := do(cfg); err != nil || try == mostTries {
			return err
		}
		now := NamesInForce(ctx, file)
		if NamesOf(now) == NamesOf(cfg) {
			return nil
		}
		cfg = now
	}
}

// LastConfig returns a default configuration with the names with which sets were last
// made, so that they can be removed without a configuration file.
func LastConfig() config.Config {
	cfg := config.Default()
	if former, _ := formerConfigs(cfg); len(former) > 0 { // Remove reports why they are not known
		return former[len(former)-1]
	}
	return cfg
}

// ForgetSetNames removes names from the files if gone returns true for them.
func ForgetSetNames(cfg config.Config, gone func(NamesPair) bool) error {
	var errs []error
	for _, c := range ReadSetNames(cfg) {
		before := len(c.names)
		if left := slices.DeleteFunc(c.names, gone); len(left) != before {
			errs = append(errs, c.write(cfg, setNames{firewall.Kernel(), left}))
		}
	}
	return errors.Join(errs...)
}

// FormerSets returns the sets of former names that cfg does not name.
func FormerSets(cfg config.Config, names []NamesPair) (sets []NamedSet) {
	for _, former := range ConfigsOf(cfg, names) {
		sets = append(sets, SetsNotOf(cfg, former)...)
	}
	return sets
}
