package setnames

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/settings"
)

// NamesTakenError is returned if sets of other programs have the configured names while
// sets of former names are in force, which must not be given up.
type NamesTakenError struct {
	keys  []string // the keys of the configuration
	why   []string
	stays []string // the sets in force
}

func (e *NamesTakenError) Error() string {
	return fmt.Sprintf("%s, so %s stays in force", strings.Join(e.why, "; "), both(e.stays))
}

// Remedy returns what to do about it.
func (e *NamesTakenError) Remedy() string {
	return fmt.Sprintf("choose another name with %s", both(e.keys))
}

func both(words []string) string { return strings.Join(words, " and ") }

// CheckNames returns a [*NamesTakenError] if the names of a configuration are taken. If the
// kernel cannot be asked, it returns nil; making the sets will fail and say so.
func CheckNames(ctx context.Context, cfg config.Config) error {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil
	}
	defer kernel.Close()
	return NamesTaken(ctx, cfg, kernel, kernel.Header)
}

// NamesTaken is [CheckNames] with an open kernel. It asks header for what the sets are, since
// the caller may know it. It reads the rules only if a set looks wrong, because it runs with
// every apply.
func NamesTaken(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, header func(set string) (ipsetsync.Header, error)) error {
	known, _ := KnownNames(cfg, ReadSetNames(cfg))
	there := setsThere(cfg, header)
	if len(there) == 0 || settings.LeavesRules(cfg) || slices.Contains(known, NamesOf(cfg)) && !slices.ContainsFunc(there, foundSet.odd) {
		return nil
	}
	rules := firewall.ReadUsers(ctx)
	taken := &NamesTakenError{}
	for _, role := range []struct {
		key, name string
		use       use
	}{{`"set:"`, cfg.Set, lists}, {`"ban_set:"`, cfg.BanSet, bans}} {
		old := droppedNames(rules, role.use)
		if len(old) == 0 || slices.Contains(old, role.name) {
			continue
		}
		for _, set := range there {
			if set.use != role.use {
				continue
			}
			if why := set.taken(kernel, rules, ConfigsOf(cfg, AddNames(known, NamesOfRules(cfg, rules)...))); why != "" {
				taken.keys, taken.why, taken.stays = append(taken.keys, role.key), append(taken.why, why), append(taken.stays, old[0])
				break
			}
		}
	}
	if len(taken.keys) == 0 {
		return nil
	}
	return taken
}

// droppedNames returns the IPv4 names of the sets of lists, or of bans, that our rules
// drop.
func droppedNames(rules *firewall.Users, of use) (names []string) {
	for _, d := range rules.DropSets() {
		name := d.List
		if of == bans {
			name = d.Bans
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// foundSet is a set of the configuration that the kernel has.
type foundSet struct {
	NamedSet
	header ipsetsync.Header
}

// setsThere returns the sets of the configuration that exist and whose members are dropped, without
// temporary ones. One of registered phones that is somebody else's is no rule's, and takes nothing
// out of force.
func setsThere(cfg config.Config, header func(set string) (ipsetsync.Header, error)) (there []foundSet) {
	for _, set := range ConfiguredSets(cfg) {
		if set.use == phones || set.use == lists && set.Name != cfg.SetName(int(set.Family)) {
			continue
		}
		if h, err := header(set.Name); err == nil {
			there = append(there, foundSet{set, h})
		}
	}
	return there
}

// odd reports whether a set is not made the way voipbl makes it for this use.
func (s foundSet) odd() bool {
	return !s.use.fits(s.header, s.Family)
}

// taken returns why a set cannot be used as configured, or "" if it can. No rule of ours
// drops its members for this use yet. former are configurations with the names with which
// our sets were made.
func (s foundSet) taken(kernel *ipsetsync.Kernel, rules *firewall.Users, former []config.Config) string {
	for _, cfg := range former {
		for _, own := range ConfiguredSets(cfg) {
			if own.Name == s.Name && (own.use != s.use || own.Family != s.Family) && own.Foreign(s.header) == "" {
				return fmt.Sprintf("the set %s is one of voipbl's own, for %s over %s", s.Name, own.use.holds(), own.Family)
			}
		}
	}
	if s.use == bans {
		if err := ipsetsync.CheckBanSet(s.header, s.Family); err != nil {
			return err.Error()
		}
		return ""
	}
	if s.header.References == 0 {
		return "" // nothing uses it, so it can be replaced
	}
	inUse := &ipsetsync.InUseError{Header: s.header, Want: s.Family, Users: OtherUsers(kernel, rules, s.Name)}
	return inUse.Error()
}
