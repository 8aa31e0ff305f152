package reach

import (
	"context"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/ipsetsync"
)

// exemptPlaces finds where rules drop packets of exempt addresses, other than the known bans. It
// leaves out what is not certain, and what is dropped on only one of several interfaces by which
// packets arrive.
func exemptPlaces(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, p *exempt.Protection, rules []KernelRules, known []ExemptBan) []ExemptBan {
	var found []ExemptBan
	finder := placesIn(ctx, cfg, kernel, rules)
	for _, friend := range p.Friends() {
		places, _ := finder.Of(friend.Prefix)
		for _, place := range places {
			banned := friend.Prefix
			if place.Entry != nil && place.Entry.Bits() > 0 && place.Entry.Overlaps(banned) {
				banned = *place.Entry
			}
			rule := place.Kind == ByOther && place.Set == ""
			same := func(b ExemptBan) bool {
				return b.Banned.Overlaps(banned) && b.Set == place.Set && (b.Place == nil || b.Place.Rule == place.Rule && b.Place.Where == place.Where)
			}
			if !place.Certain || place.Containers || place.Interface != "" || len(place.LetIn) > 0 || place.Part && rule && friend.Local() ||
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
