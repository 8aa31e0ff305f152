package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/show"
)

// showBlocked says which of these prefixes are blocked even after their ban or allowance was
// removed, and by what. It leaves uncertain cases to "voipbl check".
func (a *app) showBlocked(ctx context.Context, cfg config.Config, queries []netip.Prefix, words string) {
	reports, _, err := blocklist.Check(ctx, cfg, queries)
	if err != nil {
		return
	}
	for _, r := range reports {
		switch r.Verdict {
		case reach.PartlyBlocked:
			fmt.Fprintf(a.Out, "  a part of %s is %s%s\n", r.Query, words, show.Because(a.Screen, r))
		case reach.Blocked:
			fmt.Fprintf(a.Out, "  %s is %s%s\n", r.Query, words, show.Because(a.Screen, r))
		default:
			continue
		}
		fmt.Fprintf(a.Out, "    try: \"voipbl check %s\", which says what lets it in\n", r.Query)
	}
}
