package setnames

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// BanSets are the names of the sets that a change of bans goes into, by family: first that of
// the configuration, which is made if it is missing.
type BanSets [2][]string

func OwnBanSets(cfg config.Config) (sets BanSets) {
	for _, f := range cidr.Families {
		sets[f] = []string{cfg.BanSetName(int(f))}
	}
	return sets
}

// AllBanSets are these and the sets of other names that are there. A sync that changes the
// names fills the new sets from the list of bans, and then has the rules ask them: until then
// nobody knows which ones are asked when a ban is done. Whoever holds bansLock finds the new
// sets if that sync has read the list without its ban.
func AllBanSets(cfg config.Config, kernel *ipsetsync.Kernel) BanSets {
	sets := OwnBanSets(cfg)
	if kernel == nil {
		return sets
	}
	names, _ := KnownNames(cfg, ReadSetNames(cfg)) // what cannot be read is told by a sync
	for _, other := range ConfigsOf(cfg, names) {
		for _, f := range cidr.Families {
			name := other.BanSetName(int(f))
			if h, err := kernel.Header(name); err == nil && ipsetsync.CheckBanSet(h, f) == nil && !slices.Contains(sets[f], name) {
				sets[f] = append(sets[f], name)
			}
		}
	}
	return sets
}

// EnsureBanSets makes the ban sets that are missing, empty, so that rules can refer to
// them.
func EnsureBanSets(cfg config.Config, kernel *ipsetsync.Kernel) error {
	var errs []error
	for _, f := range cidr.Families {
		_, _, err := kernel.EnsureOwnBanSet(cfg.BanSetName(int(f)), f)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
