package agent

import (
	"context"
	"github.com/voipbl/voipbl/internal/problem"
)

// outlook is what the agent would do about the rules if it looked at them now. Only the
// agent can tell: it judges by its own configuration, tools and circumstances, and not
// by the terminal of whoever asks.
func (d *daemon) outlook(ctx context.Context) *RulesReport {
	s, err := lookAtRules(ctx, *d.shared.Load())
	if err != nil {
		return &RulesReport{Error: problem.Of(err)}
	}
	defer s.close()
	report, err := s.ensure(ctx, howRules{dryRun: true, onlyLooks: true, unattended: true, established: true})
	report.Error = problem.If(err)
	return report
}
