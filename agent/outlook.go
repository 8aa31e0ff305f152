package agent

import (
	"context"
	"net/http"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
)

// rulesPath gives what the agent makes of the rules: a RulesReport of a dry run.
const rulesPath = "/rules"

// askOutlook asks the agent for it. It returns nil if an older version cannot tell.
func askOutlook(ctx context.Context, cfg config.Config) *RulesReport {
	var report RulesReport
	if err := askAgent(ctx, cfg, requestWait, http.MethodGet, rulesPath, &report); err != nil {
		return nil
	}
	for i, p := range report.Families { // what does not travel
		report.Families[i].family = firewall.IPv4
		if p.Family == firewall.IPv6.String() {
			report.Families[i].family = firewall.IPv6
		}
	}
	return &report
}
