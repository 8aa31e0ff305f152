package setnames

import (
	"context"
	"errors"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
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
// sets if that sync has read the list without its ban. One that another program uses is its
// own by now, and a ban in it may let somebody in.
func AllBanSets(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) BanSets {
	sets := OwnBanSets(cfg)
	if kernel == nil {
		return sets
	}
	var rules *firewall.Users
	names, _ := KnownNames(cfg, ReadSetNames(cfg)) // what cannot be read is told by a sync
	for _, other := range ConfigsOf(cfg, names) {
		for _, f := range cidr.Families {
			name := other.BanSetName(int(f))
			h, err := kernel.Header(name)
			if err != nil || ipsetsync.CheckBanSet(h, f) != nil || slices.Contains(sets[f], name) {
				continue
			}
			if h.References > 0 && rules == nil {
				rules = firewall.ReadUsers(ctx)
			}
			if h.References == 0 || !OthersHave(kernel, rules, name) {
				sets[f] = append(sets[f], name)
			}
		}
	}
	return sets
}

// OthersHave reports whether a set that was ours is used by others alone: they have made it
// anew.
func OthersHave(kernel *ipsetsync.Kernel, rules *firewall.Users, name string) bool {
	users := OtherUsers(kernel, rules, name)
	return len(users) > 0 && len(rules.OfSet(name)) == len(rules.ForeignOfSet(name))
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
