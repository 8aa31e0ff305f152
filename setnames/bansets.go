package setnames

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// BanSets are the names of all sets that a change of bans is written to, by family. The first
// is that of the configuration, which is made if it is missing.
type BanSets [2][]string

func OwnBanSets(cfg config.Config) (sets BanSets) {
	for _, f := range cidr.Families {
		sets[f] = []string{cfg.BanSetName(int(f))}
	}
	return sets
}

// AllBanSets returns the ban sets of the configuration and those of former names that still
// exist. A sync that changes the names first fills the new sets from the list of bans and
// then makes the rules use them; meanwhile a ban must go into both. A caller that holds
// BansLock finds the new sets if that sync has read the list before its ban.
func AllBanSets(cfg config.Config, kernel *ipsetsync.Kernel) BanSets {
	sets := OwnBanSets(cfg)
	if kernel == nil {
		return sets
	}
	names, _ := KnownNames(cfg, ReadSetNames(cfg)) // a sync reports what cannot be read
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

// EnsureBanSets makes missing ban sets, empty, so that rules can refer to them.
func EnsureBanSets(cfg config.Config, kernel *ipsetsync.Kernel) error {
	var errs []error
	for _, f := range cidr.Families {
		_, err := kernel.EnsureOwnBanSet(cfg.BanSetName(int(f)), f)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
