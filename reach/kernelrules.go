package reach

import (
	"context"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
)

// KernelRules are the rules of both families in one backend, as the kernel holds them.
type KernelRules struct {
	Backend firewall.Backend
	Used    bool // the backend that voipbl puts its rules in
	Saved   [2]*firewall.Saved
}

// AtOneMoment is for a command that asks how things are and changes nothing: the kernel's
// rules are listed once for all that is asked, as long as nobody changes them.
func AtOneMoment(ctx context.Context) context.Context { return firewall.AtOneMoment(ctx) }

// ReadKernelRules lists the rules of each backend that may hold any; the one that
// voipbl uses comes first, and is always there. Nothing is changed, not even by the
// tools of legacy iptables, which make a table when they are asked for it.
func ReadKernelRules(ctx context.Context, cfg config.Config) ([]KernelRules, error) {
	used, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return nil, err
	}
	saved, err := used.Read(ctx)
	if err != nil {
		return nil, err
	}
	return WithOther(ctx, KernelRules{used.Backend, true, saved})
}

// WithOther adds those of the other backend, if it may hold any. On an error there are
// those that were known already.
func WithOther(ctx context.Context, used KernelRules) ([]KernelRules, error) {
	all := []KernelRules{used}
	other, err := firewall.Open(string(used.Backend.Other()))
	if err != nil || !other.InUse() {
		return all, nil
	}
	saved, err := other.Read(ctx)
	if err != nil {
		return all, err
	}
	return append(all, KernelRules{other.Backend, false, saved}), nil
}
