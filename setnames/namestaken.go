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

// NamesTakenError is new names of sets that cannot be had, while sets of other names are in
// force: these would be given up for nothing.
type NamesTakenError struct {
	keys  []string // of the configuration
	why   []string
	stays []string // the sets in force
}

func (e *NamesTakenError) Error() string {
	return fmt.Sprintf("%s, so %s stays in force", strings.Join(e.why, "; "), both(e.stays))
}

// Remedy says what to do about it.
func (e *NamesTakenError) Remedy() string {
	return fmt.Sprintf("choose another name with %s", both(e.keys))
}

func both(words []string) string { return strings.Join(words, " and ") }

// CheckNames refuses, as a [*NamesTakenError], a configuration with such names. What cannot
// be asked is no reason: whoever makes the sets says so.
func CheckNames(ctx context.Context, cfg config.Config) error {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil
	}
	defer kernel.Close()
	return NamesTaken(ctx, cfg, kernel)
}

// NamesTaken is checkNames with a kernel at hand. The rules are read only if something is
// odd, for this is asked each time that something is put in force.
func NamesTaken(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	known, _ := KnownNames(cfg, ReadSetNames(cfg))
	there := setsThere(cfg, kernel)
	if settings.LeavesRules(cfg) || slices.Contains(known, NamesOf(cfg)) && !slices.ContainsFunc(there, foundSet.odd) {
		return nil
	}
	rules := firewall.ReadUsers(ctx)
	taken := &NamesTakenError{}
	for _, role := range []struct {
		key, name string
		bans      bool
	}{{`"set:"`, cfg.Set, false}, {`"ban_set:"`, cfg.BanSet, true}} {
		old := droppedNames(rules, role.bans)
		if len(old) == 0 || slices.Contains(old, role.name) {
			continue
		}
		for _, set := range there {
			if set.bans != role.bans {
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

// droppedNames are the sets for lists, or for bans, whose members our rules drop, under the
// names of IPv4.
func droppedNames(rules *firewall.Users, bans bool) (names []string) {
	for _, d := range rules.DropSets() {
		name := d.List
		if bans {
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

// setsThere are the sets of the configuration that are there, but for those that are being
// filled.
func setsThere(cfg config.Config, kernel *ipsetsync.Kernel) (there []foundSet) {
	for _, set := range ConfiguredSets(cfg) {
		if !set.bans && set.Name != cfg.SetName(int(set.Family)) {
			continue
		}
		if h, err := kernel.Header(set.Name); err == nil {
			there = append(there, foundSet{set, h})
		}
	}
	return there
}

// odd reports whether a set is not made as one for this use.
func (s foundSet) odd() bool {
	return !ipsetsync.IsOurs(s.header, s.Family) || (ipsetsync.CheckBanSet(s.header, s.Family) == nil) != s.bans
}

// taken says why a set that no rule of ours drops the members of for this use cannot be had
// for it; it is empty if it can. former have the names that our sets were made with.
func (s foundSet) taken(kernel *ipsetsync.Kernel, rules *firewall.Users, former []config.Config) string {
	for _, cfg := range former {
		for _, own := range ConfiguredSets(cfg) {
			if own.Name == s.Name && (own.bans != s.bans || own.Family != s.Family) && own.Foreign(s.header) == "" {
				return fmt.Sprintf("the set %s is one of voipbl's own, for %s addresses over %s", s.Name, map[bool]string{false: "blocked", true: "banned"}[own.bans], own.Family)
			}
		}
	}
	if s.bans {
		if err := ipsetsync.CheckBanSet(s.header, s.Family); err != nil {
			return err.Error()
		}
		return ""
	}
	if s.header.References == 0 {
		return "" // it is replaced, or filled
	}
	inUse := &ipsetsync.InUseError{Header: s.header, Want: s.Family, Users: OtherUsers(kernel, rules, s.Name)}
	return inUse.Error()
}
