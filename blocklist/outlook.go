package blocklist

import (
	"context"
	"net/http"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// RulesPath is the agent's path for what it would do to the rules: a rules.Report of a dry run.
const RulesPath = "/rules"

// askOutlook asks the agent what it would do to the rules; nil if the agent is too old to say.
func askOutlook(ctx context.Context, cfg config.Config) *rules.Report {
	var report rules.Report
	if err := state.Ask(ctx, cfg, state.RequestWait, http.MethodGet, RulesPath, &report); err != nil {
		return nil
	}
	for i, p := range report.Families { // not in the JSON
		report.Families[i].In = iptables.IPv4
		if p.Family == iptables.IPv6.String() {
			report.Families[i].In = iptables.IPv6
		}
	}
	return &report
}
