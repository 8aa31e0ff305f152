package agent

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// maxFriends bounds for how many of those who are exempt the rules are gone through.
const maxFriends = 512

// exemptPlaces finds where rules drop packets of whoever is exempt, but for the bans that
// are known. What is not certain is left out, and so is what is dropped on one interface of
// several that packets come by.
func exemptPlaces(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, p *Protection, rules []KernelRules, known []ExemptBan) []ExemptBan {
	var found []ExemptBan
	finder := placesIn(ctx, cfg, kernel, rules)
	for _, friend := range p.friends() {
		places, _ := finder.of(friend.Prefix)
		for _, place := range places {
			banned := friend.Prefix
			if place.Entry != nil && place.Entry.Bits() > 0 && place.Entry.Overlaps(banned) {
				banned = *place.Entry
			}
			rule := place.Kind == ByOther && place.Set == ""
			same := func(b ExemptBan) bool {
				return b.Banned.Overlaps(banned) && b.Set == place.Set && (b.Place == nil || b.Place.Rule == place.Rule && b.Place.Where == place.Where)
			}
			if !place.Certain || place.Containers || place.Interface != "" || len(place.LetIn) > 0 || place.Part && rule && friend.local() ||
				slices.ContainsFunc(known, same) || slices.ContainsFunc(found, same) {
				continue
			}
			if place.Kind == ByVoipbl {
				place.Remedy = "voipbl sync"
			}
			found = append(found, ExemptBan{Banned: banned, Set: place.Set, Own: place.Kind == ByVoipbl, Because: p.Covering(banned), Place: &place})
		}
	}
	return found
}

// local reports whether nothing but local_networks has it: that some of these hosts are kept
// out by a rule is what networks are divided for.
func (p Protected) local() bool {
	return !slices.ContainsFunc(p.Reasons, func(reason string) bool { return reason != localReason })
}

// friends are who is exempt, in order, but for this host itself: that nobody else may send
// from its addresses cuts nobody off.
func (p *Protection) friends() []Protected {
	var all []Protected
	for _, family := range []string{"0.0.0.0/0", "::/0"} {
		everybody := Protected{Prefix: netip.MustParsePrefix(family)}
		entries, _ := p.index.CoveredNetworks(everybody.Network())
		for _, entry := range entries {
			if e := entry.(*Protected); !slices.Equal(e.Reasons, []string{ownAddressReason}) && len(all) < maxFriends {
				all = append(all, *e)
			}
		}
	}
	return all
}
