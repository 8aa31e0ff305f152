package blocklist

import (
	"context"
	"net/http"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// RulesPath gives what the agent makes of the rules: a RulesReport of a dry run.
const RulesPath = "/rules"

// askOutlook asks the agent for it. It returns nil if an older version cannot tell.
func askOutlook(ctx context.Context, cfg config.Config) *rules.Report {
	var report rules.Report
	if err := state.Ask(ctx, cfg, state.RequestWait, http.MethodGet, RulesPath, &report); err != nil {
		return nil
	}
	for i, p := range report.Families { // what does not travel
		report.Families[i].In = firewall.IPv4
		if p.Family == firewall.IPv6.String() {
			report.Families[i].In = firewall.IPv6
		}
	}
	return &report
}
