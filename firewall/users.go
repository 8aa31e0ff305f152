package firewall

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// Backends opens the backends that may hold rules now. A backend without tools cannot be listed
// and is left out.
func Backends() []*Firewall {
	var all []*Firewall
	for _, b := range []Backend{NFT, Legacy} {
		if fw, err := Open(string(b)); err == nil && fw.InUse() {
			all = append(all, fw)
		}
	}
	return all
}

// Users has the rules of both backends, to find which of them use a set or chain before it is
// removed. Where Unknown is set, the rules of a family could not be listed, and there may be
// more.
type Users struct {
	Unknown [2]error
	Missing error // the tools of a backend that may hold rules are not installed
	saved   []ofBackend
}

// ofBackend is what a backend holds.
type ofBackend struct {
	backend Backend
	saved   [2]*iptables.Saved
}

// ReadUsers lists the rules of all backends.
func ReadUsers(ctx context.Context) *Users {
	var u Users
	for _, fw := range Backends() {
		saved, _ := fw.Read(ctx) // each family holds its own error
		u.saved = append(u.saved, ofBackend{fw.Backend, saved})
		for _, f := range iptables.Families {
			u.Unknown[f] = errors.Join(u.Unknown[f], saved[f].Unknown())
		}
	}
	for _, b := range []Backend{NFT, Legacy} {
		if _, err := Open(string(b)); errors.As(err, new(*iptables.MissingToolError)) && (&Firewall{Backend: b}).InUse() {
			u.Missing = cmp.Or(u.Missing, err)
		}
	}
	return &u
}

// OfSet returns the rules that match against a set, each with the tool that lists it, such
// as "iptables-nft: -A INPUT …".
func (u *Users) OfSet(set string) []string {
	return u.where(func(rule string) bool { return iptables.MatchesSet(rule, set) })
}

// ForeignOfSet returns the rules of other programs that match against a set.
func (u *Users) ForeignOfSet(set string) []string {
	return u.where(func(rule string) bool { return !iptables.IsOurHook(rule) && iptables.MatchesSet(rule, set) })
}

// DropSets returns the sets whose members voipbl's rules drop: one pair for each family and
// backend, by the IPv4 names; a name is empty if no rule has it.
func (u *Users) DropSets() (all []struct{ List, Bans string }) {
	for _, l := range u.saved {
		for _, f := range iptables.Families {
			var d struct{ List, Bans string }
			for _, rule := range l.saved[f].Where(iptables.IsOurHook) {
				name := iptables.Option(rule, "--match-set")
				if f == iptables.IPv6 {
					name = strings.TrimSuffix(name, "6")
				}
				switch iptables.CommentOf(rule) {
				case iptables.CommentPrefix + ruleset.DropsFrom + "blocked addresses":
					d.List = name
				case iptables.CommentPrefix + ruleset.DropsFrom + "banned addresses":
					d.Bans = name
				}
			}
			if (d.List != "" || d.Bans != "") && !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// OfChains returns the rules of other programs that go to a chain of voipbl's.
func (u *Users) OfChains() []string {
	return u.where(func(rule string) bool { return !iptables.IsOurHook(rule) && iptables.IsOurChain(iptables.Target(rule)) })
}

func (u *Users) where(which func(rule string) bool) (rules []string) {
	for _, l := range u.saved {
		for _, f := range iptables.Families {
			for _, rule := range l.saved[f].Where(which) {
				rules = append(rules, f.Command()+"-"+string(l.backend)+": "+rule)
			}
		}
	}
	return rules
}
