package agent

import (
	"context"
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
		list := setName(cfg, f)
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

// findOldSets looks for sets of names that were changed while no agent ran.
func (d *daemon) findOldSets(ctx context.Context) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return // as every apply says
	}
	defer kernel.Close()
	names, _ := namesThere(ctx, d.cfg, readSetNames(d.cfg), kernel)
	d.oldSets = formerSets(d.cfg, names)
}

// removeOldSets takes out the sets of a name that is not configured any more. That one
// of them stays does no harm, and is told.
func (d *daemon) removeOldSets(h *host) {
	if len(d.oldSets) == 0 {
		return
	}
	for _, set := range d.oldSets {
		if namesSet(d.cfg, set.name) {
			continue // it is back
		}
		header, err := h.kernel.Header(set.name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err == nil {
			if why := set.foreign(header); why != "" {
				err = errors.New(why)
			} else if header.References > 0 {
				err = errors.New("it is in use")
			} else {
				err = h.kernel.Destroy(set.name)
			}
		}
		if err != nil {
			d.log.Warn("a set of the old configuration stays", "set", set.name, "error", err)
		}
	}
	d.oldSets = nil
	d.warnIf("set names", forgetSetNames(d.cfg, func(former namesPair) bool { return haveNone(d.cfg, former, h.kernel) }))
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
