package bans

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
)

// FreeExempt deletes exempt addresses from the sets that voipbl's actions for fail2ban
// (voipbl-set and voipbl-ssh) fill: a provider is often banned first and added to trunks
// later. What other programs put into fail2ban's sets stays. It returns a line for each address
// and set.
func FreeExempt(kernel *ipsetsync.Kernel, p *exempt.Protection) (freed []string, err error) {
	headers, err := kernel.BanSets(func(name string) bool {
		return strings.HasPrefix(name, iptables.CommonBans) || ofAction(name)
	})
	if err != nil {
		return nil, err
	}
	named := func(f cidr.Family, begin string) (found []banned, err error) {
		for _, h := range headers {
			if h.Elements == 0 || h.Family != f || !h.Timeout || !strings.HasPrefix(h.Name, begin) {
				continue
			}
			members, err := exemptMembers(kernel, h.Name, p)
			if err != nil {
				return nil, err
			}
			if len(members) > 0 {
				found = append(found, banned{h.Name, members})
			}
		}
		return found, nil
	}
	for _, f := range cidr.Families {
		common, err := named(f, iptables.CommonBans)
		if err != nil {
			return freed, err
		}
		own, err := named(f, iptables.ActionSets)
		if err != nil {
			return freed, err
		}
		ssh, err := named(f, iptables.SSHSets) // only voipbl's action fills these
		if err != nil {
			return freed, err
		}
		for _, set := range ssh {
			if err := kernel.Unban(set.name, set.members); err != nil {
				return freed, err
			}
			for _, a := range set.members {
				freed = append(freed, freedText(a, set.name, p))
			}
		}
		// Sets that the action's own rules use come first: base rules let friends in anyway.
		for _, set := range own {
			if err := kernel.Unban(set.name, inAny(set.members, common)); err != nil {
				return freed, err
			}
		}
		for _, set := range common {
			ours := inAny(set.members, own)
			if err := kernel.Unban(set.name, ours); err != nil {
				return freed, err
			}
			for _, a := range ours {
				freed = append(freed, freedText(a, set.name, p))
			}
		}
	}
	return freed, nil
}

// ActionBans returns the addresses that voipbl's actions for fail2ban have banned, by set. The
// sets exist from the start of a jail.
func ActionBans(kernel *ipsetsync.Kernel) (map[string][]cidr.Prefix, error) {
	headers, err := kernel.BanSets(ofAction)
	if err != nil {
		return nil, err
	}
	all := map[string][]cidr.Prefix{}
	for _, h := range headers {
		if !h.Timeout {
			continue
		}
		live, err := kernel.Bans(h.Name)
		switch {
		case errors.Is(err, ipsetsync.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			all[h.Name] = live.Prefixes
		}
	}
	return all, nil
}

// ofAction reports whether a set has a name of those that only voipbl's actions fill.
func ofAction(name string) bool {
	return strings.HasPrefix(name, iptables.ActionSets) || strings.HasPrefix(name, iptables.SSHSets)
}

// FreedTexts returns a line for each exempt address that was in a set before and is not now.
func FreedTexts(before, now map[string][]cidr.Prefix, p *exempt.Protection) (freed []string) {
	for _, set := range slices.Sorted(maps.Keys(before)) {
		for _, a := range before[set] {
			if p.Sets.Overlaps(a) && !slices.Contains(now[set], a) {
				freed = append(freed, freedText(a, set, p))
			}
		}
	}
	return freed
}

// inAny returns those members that are in one of the sets.
func inAny(members []cidr.Prefix, sets []banned) []cidr.Prefix {
	return slices.DeleteFunc(slices.Clone(members), func(a cidr.Prefix) bool {
		return !slices.ContainsFunc(sets, func(s banned) bool { return slices.Contains(s.members, a) })
	})
}

// banned are exempt addresses in a set.
type banned struct {
	name    string
	members []cidr.Prefix
}

func freedText(a cidr.Prefix, set string, p *exempt.Protection) string {
	address := cidr.Text(a.Netip())
	return fmt.Sprintf("%s is exempt (%s) and was banned by fail2ban: voipbl took it out of the set %s; \"fail2ban-client unban %[1]s\" makes fail2ban forget it too: until then its jail counts it as banned, and does not ban it again", address, strings.Join(p.Covering(a.Netip())[0].Reasons, ", "), set)
}

// exemptMembers returns the exempt addresses in a set; none if the set is missing.
func exemptMembers(kernel *ipsetsync.Kernel, set string, p *exempt.Protection) ([]cidr.Prefix, error) {
	live, err := kernel.Bans(set)
	if errors.Is(err, ipsetsync.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(live.Prefixes, func(a cidr.Prefix) bool { return !p.Sets.Overlaps(a) }), nil
}
