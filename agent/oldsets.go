package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// namedSet is one set that a configuration names.
type namedSet struct {
	name   string
	family cidr.Family
	bans   bool
}

// configuredSets are all the sets that a configuration names, with those that are filled
// before they take the place of the ones in force.
func configuredSets(cfg config.Config) (all []namedSet) {
	for _, f := range cidr.Families {
		list := cfg.SetName(int(f))
		all = append(all, namedSet{list, f, false}, namedSet{ipsetsync.TempName(list), f, false}, namedSet{cfg.BanSetName(int(f)), f, true})
	}
	return all
}

// namesSet reports whether a configuration names a set, whatever for.
func namesSet(cfg config.Config, name string) bool {
	return slices.ContainsFunc(configuredSets(cfg), func(s namedSet) bool { return s.name == name })
}

// setsNotOf are the sets that an old configuration names and the new one does not.
func setsNotOf(new, old config.Config) []namedSet {
	return slices.DeleteFunc(configuredSets(old), func(s namedSet) bool { return namesSet(new, s.name) })
}

// foreign says of a set of that name that it is somebody else's; it is empty for ours,
// the only ones that may be destroyed.
func (s namedSet) foreign(h ipsetsync.Header) string {
	switch {
	case !ipsetsync.IsOurs(h, s.family):
		return fmt.Sprintf("%s is a %s of %s, which is not ours", s.name, h.Type, h.Family)
	case s.bans && ipsetsync.CheckBanSet(h, s.family) != nil:
		return s.name + " is a set that voipbl did not make"
	}
	return ""
}

// haveNone reports whether the kernel has no set of ours of former names, beside those
// that the configuration names, too.
func haveNone(cfg config.Config, former namesPair, kernel *ipsetsync.Kernel) bool {
	if former == namesOf(cfg) {
		return false
	}
	return !slices.ContainsFunc(setsNotOf(cfg, former.in(cfg)), func(set namedSet) bool {
		header, err := kernel.Header(set.name)
		return err == nil && set.foreign(header) == "" || err != nil && !errors.Is(err, ipsetsync.ErrNotFound)
	})
}
