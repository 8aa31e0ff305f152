package reach

import (
	"context"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
)

// KernelRules are the rules of both families in one backend, as the kernel has them.
type KernelRules struct {
	Backend firewall.Backend
	Used    bool // the backend that voipbl puts its rules in
	Saved   [2]*iptables.Saved
}

// AtOneMoment returns a context for a command: the kernel's rules are listed once and used again,
// as long as they do not change.
func AtOneMoment(ctx context.Context) context.Context { return firewall.AtOneMoment(ctx) }

// ReadKernelRules lists the rules of each backend that may have any. The backend that voipbl
// uses comes first, and is always listed. It changes nothing: it avoids that the legacy tools
// create a table by listing it.
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

// WithOther adds the rules of the other backend, if it may have any. On an error it returns only
// the rules it was given.
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
