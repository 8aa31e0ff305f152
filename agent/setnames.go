package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// setNamesFile has the names that sets of ours were made with in this kernel, in the run
// folder. An admin may write others into the configuration at any time, also while nothing
// of ours runs: the kernel still has the sets of the old names then.
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

// readSetNames reads the file. That there is none, that nobody can understand it, and that it
// is of another boot all mean that no names are known; any other error says nothing about
// them, and then the file must not be written over.
func readSetNames(run *fetch.Store) (setNames, error) {
	none := setNames{Kernel: firewall.Kernel()}
	if run == nil {
		return none, nil
	}
	var n setNames
	switch err := run.ReadJSON(setNamesFile, &n); {
	case isAbsent(err) || isDamaged(err):
		return none, nil
	case err != nil:
		return none, err
	case none.Kernel == "" && n.Kernel != "":
		return none, errors.New("it cannot be told of what boot the names are")
	case n.Kernel != none.Kernel:
		return none, nil
	}
	return n, nil
}

// noteSetNames writes the names of a configuration down, before sets are made by them.
func noteSetNames(cfg config.Config, run *fetch.Store) error {
	names, err := readSetNames(run)
	if run == nil || slices.Contains(names.Names, namesOf(cfg)) {
		return nil // without a run folder, openRules has said why
	}
	if err == nil {
		names.Names = append(names.Names, namesOf(cfg))
		err = run.WriteJSON(setNamesFile, names)
	}
	if err != nil {
		return fmt.Errorf("the names of the sets are not remembered, so \"voipbl remove\" may not find them after another one is configured: %w", err)
	}
	return nil
}

// UnknownNamesError is that nobody can tell by what names sets were made before.
type UnknownNamesError struct{ Err error }

func (e *UnknownNamesError) Error() string {
	return "sets of names that were configured before are not known now, so they stay: " + e.Err.Error()
}

// Remedy says what to do about it.
func (e *UnknownNamesError) Remedy() string { return ShortageRemedy(e.Err) }

func (e *UnknownNamesError) Unwrap() error { return e.Err }

// formerConfigs are a configuration with the names that sets of ours were made with
// before, where they are others.
func formerConfigs(cfg config.Config) (all []config.Config, err error) {
	run, err := fetch.FindStore(cfg.RunDir)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &UnknownNamesError{err}
	}
	defer run.Close()
	names, err := readSetNames(run)
	if err != nil {
		return nil, &UnknownNamesError{err}
	}
	for _, pair := range names.Names {
		if pair != namesOf(cfg) {
			all = append(all, pair.in(cfg))
		}
	}
	return all, nil
}

// namesInForce is a configuration with the names of the sets that our rules ask now. Those of
// the file may be new: until a sync has filled these sets, rules that asked them would let in
// everybody whom the old ones keep out.
func namesInForce(cfg config.Config) config.Config {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return cfg
	}
	defer kernel.Close()
	absent := func(name string) bool {
		_, err := kernel.Header(name)
		return errors.Is(err, ipsetsync.ErrNotFound)
	}
	if !absent(cfg.Set) && !absent(cfg.BanSet) {
		return cfg
	}
	former, _ := formerConfigs(cfg) // what cannot be read is told by a sync
	for _, old := range slices.Backward(former) {
		if h, err := kernel.Header(old.Set); err == nil && ipsetsync.IsOurs(h, cidr.IPv4) && h.References > 0 {
			return old
		}
	}
	return cfg
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

// forgetSetNames takes the names that are gone out of the file.
func forgetSetNames(run *fetch.Store, gone func(namesPair) bool) error {
	names, err := readSetNames(run)
	if err != nil {
		return &UnknownNamesError{err}
	}
	before := len(names.Names)
	if names.Names = slices.DeleteFunc(names.Names, gone); len(names.Names) == before {
		return nil
	}
	return run.WriteJSON(setNamesFile, names)
}

// formerSets are the sets of those names that cfg does not name.
func formerSets(cfg config.Config) (sets []namedSet, err error) {
	former, err := formerConfigs(cfg)
	for _, f := range former {
		sets = append(sets, setsNotOf(cfg, f)...)
	}
	return sets, err
}
