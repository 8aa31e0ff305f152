package agent

import (
	"context"

	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/rules"
)

// outlook is what the agent would do about the rules if it looked at them now. Only the
// agent can tell: it judges by its own configuration, tools and circumstances, and not
// by the terminal of whoever asks.
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
