package agent

import (
	"context"

	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/rules"
)

// outlook returns what the agent would do to the rules if it checked them now. Only the agent
// can say: what it does depends on its own configuration, tools and circumstances, and not on
// those of the process that asks.
func (d *daemon) outlook(ctx context.Context) *rules.Report {
	s, err := rules.LookAtRules(ctx, *d.shared.Load())
	if err != nil {
		return &rules.Report{Error: problem.Of(err)}
	}
	defer s.Close()
	report, err := s.Ensure(ctx, rules.How{DryRun: true, OnlyLooks: true, Unattended: true, Established: true})
	report.Error = problem.If(err)
	return report
}
