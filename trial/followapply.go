package trial

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// errRefused says that an apply would be refused; the report says why.
var errRefused = errors.New("refused")

// followApply has the agent take over the file that is to be applied; cfg is that with the names
// that Apply goes by. If the apply would
// be refused, the agent keeps its configuration, and report says why.
func followApply(ctx context.Context, file, cfg config.Config, fw *firewall.Firewall, answers exempt.Resolved, opts ApplyOptions) (agent *takeover.Followed, report *rules.Report, err error) {
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
	agent, err = takeover.Follow(ctx, file, how)
	if report != nil {
		err = nil
	}
	return agent, report, err
}

// judgeApply finds out whether an apply would be refused, and changes nothing. After that, only
// the kernel can still refuse it.
func judgeApply(ctx context.Context, cfg config.Config, fw *firewall.Firewall, answers exempt.Resolved, opts ApplyOptions) (*rules.Report, error) {
	held, err := rules.OpenLocked(ctx, cfg, fw, "voipbl firewall apply", opts.Wait, opts.Waiting)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if err := notOnTrial(held); err != nil {
		return nil, err
	}
	if err := held.CheckForeign(cidr.IPv4); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
		return nil, err
	}
	if err := checkBlocked(held, logins.SSH()); err != nil {
		return nil, err
	}
	protected, err := exempt.Gather(cfg, answers)
	if err != nil {
		return nil, err
	}
	held.Trunks = protected.Trunks
	report, err := held.Ensure(ctx, rules.How{DryRun: true, ByHand: true, Force: opts.Force})
	if err != nil {
		return nil, err
	}
	report.Changes = []firewall.Change{} // none were made
	closes(report, nil)
	return report, nil
}

// closes forgets the listeners that base rules would close, if the base rules were not installed.
func closes(report *rules.Report, err error) {
	if err != nil || report.Problem != nil {
		report.Closed = []lockout.Closed{}
	}
}
