package agent

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
	Names  []namesPair `json:"names"`
}

// namesPair is the names that one configuration has.
type namesPair struct {
	Set    string `json:"set"`
	BanSet string `json:"ban_set"`
}

func namesOf(cfg config.Config) namesPair { return namesPair{cfg.Set, cfg.BanSet} }

// in is a configuration with these names.
func (p namesPair) in(cfg config.Config) config.Config {
	cfg.Set, cfg.BanSet = p.Set, p.BanSet
	return cfg
}

// namesCopy is one of the two files.
type namesCopy struct {
	dir   string
	there bool        // there is a file of this boot
	names []namesPair // in it
	lost  error       // why they are not known; nil if they are, or there is no file of this boot
}

// stays reports whether the file cannot be read now, and must not be written over.
func (c *namesCopy) stays() bool { return c.lost != nil && !state.IsDamaged(c.lost) }

// readSetNames reads both.
func readSetNames(cfg config.Config) (copies [2]namesCopy) {
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

func namesIn(store *fetch.Store) (names []namesPair, there bool, err error) {
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

func (c *namesCopy) write(cfg config.Config, names []namesPair) error {
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

// knownNames are the names of both files. lost is why some may be missing: neither has those
// of the configuration, which are noted before a set is made by them, and one cannot be read
// or none is there. After a removal there is one without names.
func knownNames(cfg config.Config, copies [2]namesCopy) (names []namesPair, lost error) {
	names = addNames(slices.Clone(copies[0].names), copies[1].names...)
	if slices.Contains(names, namesOf(cfg)) {
		return names, nil
	}
	lost = errors.Join(copies[0].lost, copies[1].lost)
	if lost == nil && !copies[0].there && !copies[1].there {
		lost = errNoNames
	}
	return names, lost
}

func addNames(names []namesPair, more ...namesPair) []namesPair {
	for _, pair := range more {
		if !slices.Contains(names, pair) {
			names = append(names, pair)
		}
	}
	return names
}

// noteSetNames writes the names of a configuration down, before sets are made by them, and
// those of the sets that are there, as our rules tell them. It is an error if neither file
// has them then.
func noteSetNames(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	copies := readSetNames(cfg)
	wanting := func(c namesCopy) bool { return !slices.Contains(c.names, namesOf(cfg)) }
	if !slices.ContainsFunc(copies[:], wanting) {
		return nil
	}
	names, _ := namesThere(ctx, cfg, copies, kernel)
	names = addNames(names, namesOf(cfg)) // the last, see LastConfig
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

// namesThere are the known names, and where some may be missing and sets are there that may
// have them, those that our rules tell.
func namesThere(ctx context.Context, cfg config.Config, copies [2]namesCopy, kernel *ipsetsync.Kernel) (names []namesPair, lost error) {
	names, lost = knownNames(cfg, copies)
	if lost == nil {
		return names, nil
	}
	others, err := otherSets(kernel, append(configsOf(cfg, names), cfg)...)
	if err != nil || len(others) > 0 {
		names = addNames(names, namesOfRules(cfg, firewall.ReadUsers(ctx))...)
	}
	return names, lost
}

// namesOfRules are the names of the sets that our rules drop the members of.
func namesOfRules(cfg config.Config, rules *firewall.Users) (names []namesPair) {
	for _, d := range rules.DropSets() {
		pair := namesOf(cfg)
		if d.List != "" {
			pair.Set = d.List
		}
		if d.Bans != "" {
			pair.BanSet = d.Bans
		}
		names = addNames(names, pair)
	}
	return names
}

// otherSets are the sets that look like ours and that no configuration names which is known.
func otherSets(kernel *ipsetsync.Kernel, known ...config.Config) (others []namedSet, err error) {
	all, err := kernel.BanSets()
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if slices.ContainsFunc(known, func(cfg config.Config) bool { return namesSet(cfg, h.Name) }) {
			continue
		}
		if list, bans := ipsetsync.LooksLikeList(h), ipsetsync.CheckBanSet(h, h.Family) == nil; list || bans {
			others = append(others, namedSet{h.Name, h.Family, bans})
		}
	}
	return others, nil
}

// formerConfigs are a configuration with the names that sets of ours were made with
// before, where they are others; lost is why some may be missing.
func formerConfigs(cfg config.Config) (all []config.Config, lost error) {
	names, lost := knownNames(cfg, readSetNames(cfg))
	return configsOf(cfg, names), lost
}

// configsOf are a configuration with other names than its own.
func configsOf(cfg config.Config, names []namesPair) (all []config.Config) {
	for _, pair := range names {
		if pair != namesOf(cfg) {
			all = append(all, pair.in(cfg))
		}
	}
	return all
}

// namesInForce is a configuration with the names of the sets that our rules ask now. Those of
// the file may be new: until a sync has filled these sets, rules that asked them would let in
// everybody whom the old ones keep out.
func namesInForce(ctx context.Context, cfg config.Config) config.Config {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return cfg
	}
	defer kernel.Close()
	absent := func(name string) bool {
		_, err := kernel.Kind(name)
		return errors.Is(err, ipsetsync.ErrNotFound)
	}
	if !absent(cfg.Set) && !absent(cfg.BanSet) && namesTaken(ctx, cfg, kernel) == nil && asked(cfg, kernel) {
		return cfg
	}
	former, _ := formerConfigs(cfg) // what cannot be read is told by a sync
	former = append(former, configsOf(cfg, namesOfRules(cfg, firewall.ReadUsers(ctx)))...)
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

// byNamesInForce does something by the names in force, and again by others if a sync has put
// those in force meanwhile.
func byNamesInForce(ctx context.Context, file config.Config, do func(cfg config.Config) error) error {
	const mostTries = 3
	cfg := namesInForce(ctx, file)
	for try := 1; ; try++ {
		if err := do(cfg); err != nil || try == mostTries {
			return err
		}
		now := namesInForce(ctx, file)
		if namesOf(now) == namesOf(cfg) {
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

// forgetSetNames takes the names that are gone out of the files.
func forgetSetNames(cfg config.Config, gone func(namesPair) bool) error {
	var errs []error
	for _, c := range readSetNames(cfg) {
		before := len(c.names)
		if left := slices.DeleteFunc(c.names, gone); len(left) != before {
			errs = append(errs, c.write(cfg, left))
		}
	}
	return errors.Join(errs...)
}

// formerSets are the sets of former names that cfg does not name.
func formerSets(cfg config.Config, names []namesPair) (sets []namedSet) {
	for _, former := range configsOf(cfg, names) {
		sets = append(sets, setsNotOf(cfg, former)...)
	}
	return sets
}
