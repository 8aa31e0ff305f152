package setnames

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// NamedSet is one set that a configuration names.
type NamedSet struct {
	Name   string
	Family cidr.Family
	bans   bool
}

// ConfiguredSets are all the sets that a configuration names, with those that are filled
// before they take the place of the ones in force.
func ConfiguredSets(cfg config.Config) (all []NamedSet) {
	for _, f := range cidr.Families {
		list := cfg.SetName(int(f))
		all = append(all, NamedSet{list, f, false}, NamedSet{ipsetsync.TempName(list), f, false}, NamedSet{cfg.BanSetName(int(f)), f, true})
	}
	return all
}

// NamesSet reports whether a configuration names a set, whatever for.
func NamesSet(cfg config.Config, name string) bool {
	return slices.ContainsFunc(ConfiguredSets(cfg), func(s NamedSet) bool { return s.Name == name })
}

// SetsNotOf are the sets that an old configuration names and the new one does not.
func SetsNotOf(new, old config.Config) []NamedSet {
	return slices.DeleteFunc(ConfiguredSets(old), func(s NamedSet) bool { return NamesSet(new, s.Name) })
}

// Foreign says of a set of that name that it is somebody else's; it is empty for ours,
// the only ones that may be destroyed.
func (s NamedSet) Foreign(h ipsetsync.Header) string {
	switch {
	case !ipsetsync.IsOurs(h, s.Family):
		return fmt.Sprintf("%s is a %s of %s, which is not ours", s.Name, h.Type, h.Family)
	case s.bans && ipsetsync.CheckBanSet(h, s.Family) != nil:
		return s.Name + " is a set that voipbl did not make"
	}
	return ""
}

// HaveNone reports whether the kernel has no set of ours of former names, beside those
// that the configuration names, too.
func HaveNone(cfg config.Config, former NamesPair, kernel *ipsetsync.Kernel) bool {
	if former == NamesOf(cfg) {
		return false
	}
	return !slices.ContainsFunc(SetsNotOf(cfg, former.in(cfg)), func(set NamedSet) bool {
		header, err := kernel.Header(set.Name)
		return err == nil && set.Foreign(header) == "" || err != nil && !errors.Is(err, ipsetsync.ErrNotFound)
	})
}
