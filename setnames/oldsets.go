package setnames

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// NamedSet is a set that a configuration names.
type NamedSet struct {
	Name   string
	Family cidr.Family
	use    use
}

// use is what voipbl keeps in a set.
type use int

const (
	lists  use = iota // blocked addresses
	bans              // this host's own bans
	phones            // registered phones
)

// fits reports whether a set is made the way voipbl makes it for this use.
func (u use) fits(h ipsetsync.Header, f cidr.Family) bool {
	switch u {
	case bans:
		return ipsetsync.CheckBanSet(h, f) == nil
	case phones:
		return ipsetsync.CheckKnownSet(h, f) == nil
	}
	return ipsetsync.IsOurs(h, f) && ipsetsync.CheckBanSet(h, f) != nil
}

// holds says what is in a set of this use.
func (u use) holds() string {
	return [...]string{"blocked addresses", "banned addresses", "registered phones"}[u]
}

// ConfiguredSets returns all sets that a configuration names, including the temporary
// ones that are filled before a swap.
func ConfiguredSets(cfg config.Config) (all []NamedSet) {
	for _, f := range cidr.Families {
		list := cfg.SetName(int(f))
		all = append(all, NamedSet{list, f, lists}, NamedSet{ipsetsync.TempName(list), f, lists}, NamedSet{cfg.BanSetName(int(f)), f, bans}, NamedSet{cfg.KnownSetName(int(f)), f, phones})
	}
	return all
}

// NamesSet reports whether a configuration names a set, for any use.
func NamesSet(cfg config.Config, name string) bool {
	return slices.ContainsFunc(ConfiguredSets(cfg), func(s NamedSet) bool { return s.Name == name })
}

// SetsNotOf returns the sets that the old configuration names and the new one does not.
func SetsNotOf(new, old config.Config) []NamedSet {
	return slices.DeleteFunc(ConfiguredSets(old), func(s NamedSet) bool { return NamesSet(new, s.Name) })
}

// Foreign returns why the set with header h is not voipbl's, or "" if it is. Only
// voipbl's own sets may be destroyed.
func (s NamedSet) Foreign(h ipsetsync.Header) string {
	switch {
	case s.use != phones && !ipsetsync.IsOurs(h, s.Family):
		return fmt.Sprintf("%s is a %s of %s, which is not ours", s.Name, h.Type, h.Family)
	case s.use != lists && !s.use.fits(h, s.Family):
		return s.Name + " is a set that voipbl did not make"
	}
	return ""
}

// HaveNone reports whether the kernel has no set of ours with the former names that the
// configuration does not name.
func HaveNone(cfg config.Config, former NamesPair, kernel *ipsetsync.Kernel) bool {
	if former == NamesOf(cfg) {
		return false
	}
	return !slices.ContainsFunc(SetsNotOf(cfg, former.in(cfg)), func(set NamedSet) bool {
		header, err := kernel.Header(set.Name)
		return err == nil && set.Foreign(header) == "" || err != nil && !errors.Is(err, ipsetsync.ErrNotFound)
	})
}
