package setnames

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// setNamesFile has the names that sets of ours were made with in this kernel: in the run
// folder, and in the state folder for when the other one is damaged or full. An admin may
// write others into the configuration at any time, also while nothing of ours runs: the
// kernel still has the sets of the old names then.
const setNamesFile = "set-names"

// setNames is the content of that file.
type setNames struct {
	Kernel string      `json:"kernel"` // see [firewall.Kernel]
	Names  []NamesPair `json:"names"`
}

// NamesPair is the names that one configuration has.
type NamesPair struct {
	Set    string `json:"set"`
	BanSet string `json:"ban_set"`
}

func NamesOf(cfg config.Config) NamesPair { return NamesPair{cfg.Set, cfg.BanSet} }

// in is a configuration with these names.
func (p NamesPair) in(cfg config.Config) config.Config {
	cfg.Set, cfg.BanSet = p.Set, p.BanSet
	return cfg
}

// namesCopy is one of the two files.
type namesCopy struct {
	dir   string
	there bool        // there is a file of this boot
	names []NamesPair // in it
	lost  error       // why they are not known; nil if they are, or there is no file of this boot
}

// stays reports whether the file cannot be read now, and must not be written over.
func (c *namesCopy) stays() bool { return c.lost != nil && !state.IsDamaged(c.lost) }

// ReadSetNames reads both.
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
	return n.Names, true, nil
}

func (c *namesCopy) write(cfg config.Config, names []NamesPair) error {
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
	return store.WriteJSON(setNamesFile, setNames{firewall.Kernel(), names})
}

var errNoNames = errors.New("nothing in run_dir or state_dir tells them")

// KnownNames are the names of both files. lost is why some may be missing: neither has those
// of the configuration, which are noted before a set is made by them, and one cannot be read
// or none is there. After a removal there is one without names.
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

// NoteSetNames writes the names of a configuration down, before sets are made by them, and
// those of the sets that are there, as our rules tell them. It is an error if neither file
// has them then.
func NoteSetNames(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	copies := ReadSetNames(cfg)
	wanting := func(c namesCopy) bool { return !slices.Contains(c.names, NamesOf(cfg)) }
	if !slices.ContainsFunc(copies[:], wanting) {
		return nil
	}
	names, _ := NamesThere(ctx, cfg, copies, kernel)
	names = AddNames(names, NamesOf(cfg)) // the last, see LastConfig
	var errs []error
	for _, c := range copies {
		if wanting(c) {
			if err := c.write(cfg, names); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if len(errs) < len(copies) {
		return nil
	}
	return fmt.Errorf("the names of the sets are not remembered, so \"voipbl remove\" may not find them after another one is configured: %w", errors.Join(errs...))
}

// NamesThere are the known names, and where some may be missing and sets are there that may
// have them, those that our rules tell.
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

// NamesOfRules are the names of the sets that our rules drop the members of.
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

// OtherSets are the sets that look like ours and that no configuration names which is known.
func OtherSets(kernel *ipsetsync.Kernel, known ...config.Config) (others []NamedSet, err error) {
	all, err := kernel.BanSets()
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if slices.ContainsFunc(known, func(cfg config.Config) bool { return NamesSet(cfg, h.Name) }) {
			continue
		}
		if list, bans := ipsetsync.LooksLikeList(h), ipsetsync.CheckBanSet(h, h.Family) == nil; list || bans {
			others = append(others, NamedSet{h.Name, h.Family, bans})
		}
	}
	return others, nil
}

// formerConfigs are a configuration with the names that sets of ours were made with
// before, where they are others; lost is why some may be missing.
func formerConfigs(cfg config.Config) (all []config.Config, lost error) {
	names, lost := KnownNames(cfg, ReadSetNames(cfg))
	return ConfigsOf(cfg, names), lost
}

// ConfigsOf are a configuration with other names than its own.
func ConfigsOf(cfg config.Config, names []NamesPair) (all []config.Config) {
	for _, pair := range names {
		if pair != NamesOf(cfg) {
			all = append(all, pair.in(cfg))
		}
	}
	return all
}

// NamesInForce is a configuration with the names of the sets that our rules ask now. Those of
// the file may be new: until a sync has filled these sets, rules that asked them would let in
// everybody whom the old ones keep out.
func NamesInForce(ctx context.Context, cfg config.Config) config.Config {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return cfg
	}
	defer kernel.Close()
	absent := func(name string) bool {
		_, err := kernel.Kind(name)
		return errors.Is(err, ipsetsync.ErrNotFound)
	}
	if !absent(cfg.Set) && !absent(cfg.BanSet) && NamesTaken(ctx, cfg, kernel) == nil && asked(cfg, kernel) {
		return cfg
	}
	former, _ := formerConfigs(cfg) // what cannot be read is told by a sync
	former = append(former, ConfigsOf(cfg, NamesOfRules(cfg, firewall.ReadUsers(ctx)))...)
	for _, old := range slices.Backward(former) {
		if h, err := kernel.Header(old.Set); err == nil && ipsetsync.IsOurs(h, cidr.IPv4) && h.References > 0 {
			return old
		}
	}
	return cfg
}

// asked reports whether something refers to one of the sets of a configuration.
func asked(cfg config.Config, kernel *ipsetsync.Kernel) bool {
	var names []string
	for _, f := range cidr.Families {
		names = append(names, cfg.BanSetName(int(f)))
	}
	// The others last: a large set takes a while.
	return slices.ContainsFunc(append(names, cfg.Set, cfg.SetName6()), func(name string) bool {
		h, err := kernel.Header(name)
		return err == nil && h.References > 0
	})
}

// ByNamesInForce does something by the names in force, and again by others if a sync has put
// those in force meanwhile.
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

// LastConfig is a default configuration with the names that sets were last made with, so
// that they can be taken out where there is no configuration.
func LastConfig() config.Config {
	cfg := config.Default()
	if former, _ := formerConfigs(cfg); len(former) > 0 { // Remove says why they are not known
		return former[len(former)-1]
	}
	return cfg
}

// ForgetSetNames takes the names that are gone out of the files.
func ForgetSetNames(cfg config.Config, gone func(NamesPair) bool) error {
	var errs []error
	for _, c := range ReadSetNames(cfg) {
		before := len(c.names)
		if left := slices.DeleteFunc(c.names, gone); len(left) != before {
			errs = append(errs, c.write(cfg, left))
		}
	}
	return errors.Join(errs...)
}

// FormerSets are the sets of former names that cfg does not name.
func FormerSets(cfg config.Config, names []NamesPair) (sets []NamedSet) {
	for _, former := range ConfigsOf(cfg, names) {
		sets = append(sets, SetsNotOf(cfg, former)...)
	}
	return sets
}
