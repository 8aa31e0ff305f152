package rules

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// errRefused is that an apply would be refused, which a report says.
var errRefused = errors.New("refused")

// followApply has the agent go by what is to be applied, unless the apply would be refused,
// which report says then: the agent's configuration stays as it was.
func followApply(ctx context.Context, cfg config.Config, fw *firewall.Firewall, answers exempt.Resolved, opts ApplyOptions) (agent *takeover.Followed, report *Report, err error) {
	how := takeover.Following{File: opts.ConfigFile, MayLose: max(state.LoseRules, opts.MayLose), DryRun: opts.DryRun, Timeout: max(opts.Wait, state.LockWait)}
	if opts.Force {
		how.MayLose = state.LoseAny
	}
	how.Judge = func() error {
		judged, err := judgeApply(ctx, cfg, fw, answers, opts)
		if err == nil && judged.Problem != nil {
			report, err = judged, errRefused
		}
		return err
	}
	agent, err = takeover.Follow(ctx, cfg, how)
	if report != nil {
		err = nil
	}
	return agent, report, err
}

// judgeApply finds out whether an apply would be refused, and changes nothing. Only the
// kernel may refuse it later.
func judgeApply(ctx context.Context, cfg config.Config, fw *firewall.Firewall, answers exempt.Resolved, opts ApplyOptions) (*Report, error) {
	s, err := openSession(ctx, cfg, fw, "voipbl firewall apply", opts.Wait, opts.Waiting)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.notOnTrial(); err != nil {
		return nil, err
	}
	if err := s.checkForeign(cidr.IPv4); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
		return nil, err
	}
	if err := s.checkBlocked(host.SSHLogins()); err != nil {
		return nil, err
	}
	protected, err := exempt.Gather(cfg, answers)
	if err != nil {
		return nil, err
	}
	s.Trunks = protected.Trunks
	report, err := s.Ensure(ctx, How{DryRun: true, ByHand: true, Force: opts.Force})
	if err != nil {
		return nil, err
	}
	report.Changes = []firewall.Change{} // none is made
	report.closes(nil)
	return report, nil
}

// notOnTrial refuses to change rules while some wait for a confirmation.
func (r *Hold) notOnTrial() error {
	if p := r.State.Pending; p.onTrial(host.Uptime()) {
		return &PendingError{*p.report()}
	}
	return nil
}
