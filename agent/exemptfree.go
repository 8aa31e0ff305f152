package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// ownActionSets is how the names of the sets begin in which our action for fail2ban,
// voipbl-set, keeps which members of the common set are its own.
const ownActionSets = "own-"

// freeExempt takes addresses that have become exempt out of the bans that voipbl-set has
// made: a provider is often banned first and written into trunks then. What other
// programs have put into the set stays. It returns a line for each address.
func freeExempt(kernel *ipsetsync.Kernel, p *Protection) (freed []string, err error) {
	for _, f := range cidr.Families {
		name := firewall.BanSetName(firewall.Family(f))
		members, err := exemptMembers(kernel, name, p)
		if err != nil {
			return freed, err
		}
		if len(members) == 0 {
			continue
		}
		headers, err := kernel.BanSets()
		if err != nil {
			return freed, err
		}
		for _, h := range headers {
			if !strings.HasPrefix(h.Name, ownActionSets) || h.Family != f {
				continue
			}
			own, err := exemptMembers(kernel, h.Name, p)
			if err != nil {
				return freed, err
			}
			ours := slices.DeleteFunc(own, func(a cidr.Prefix) bool { return !slices.Contains(members, a) })
			if err := errors.Join(kernel.Unban(name, ours), kernel.Unban(h.Name, ours)); err != nil {
				return freed, err
			}
			for _, a := range ours {
				freed = append(freed, freedText(a, name, p))
			}
		}
	}
	return freed, nil
}

func freedText(a cidr.Prefix, set string, p *Protection) string {
	address := queryText(a.Netip())
	return fmt.Sprintf("%s is exempt (%s) and was banned by fail2ban: voipbl took it out of the set %s; \"fail2ban-client unban %[1]s\" makes fail2ban forget it too", address, strings.Join(p.Covering(a.Netip())[0].Reasons, ", "), set)
}

// exemptMembers are the exempt addresses in a set; without the set there are none.
func exemptMembers(kernel *ipsetsync.Kernel, set string, p *Protection) ([]cidr.Prefix, error) {
	live, err := kernel.Bans(set)
	if errors.Is(err, ipsetsync.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(live.Prefixes, func(a cidr.Prefix) bool { return !p.sets.Overlaps(a) }), nil
}
