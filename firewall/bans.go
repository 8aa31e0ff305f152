package firewall

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/iptables"
)

// RemoveBanChain removes fail2ban's chain for SSH if it is empty and no rule goes to it, and
// reports whether it did. Only whoever created the chain may call it.
func (fw *Firewall) RemoveBanChain(ctx context.Context, f iptables.Family) (removed bool, err error) {
	free, err := fw.banChainIsFree(ctx, f)
	if err != nil || !free {
		return false, err
	}
	var plans [2]*Plan
	for _, g := range iptables.Families {
		plans[g] = &Plan{Family: g}
	}
	plans[f].Text = "*filter\n-X " + iptables.SSHChain + "\nCOMMIT\n"
	err = fw.restore(ctx, plans, false)[f]
	if refused := (*ToolError)(nil); errors.As(err, &refused) {
		// Another program has begun to use it, or the tool has failed.
		if free, readErr := fw.banChainIsFree(ctx, f); readErr == nil && !free {
			return false, nil
		}
	}
	return err == nil, err
}

// banChainIsFree reports whether the chain exists, is empty, and no rule goes to it.
func (fw *Firewall) banChainIsFree(ctx context.Context, f iptables.Family) (bool, error) {
	saved, err := fw.Read(ctx)
	if err == nil {
		err = saved[f].Unknown()
	}
	if err != nil {
		return false, err
	}
	goesThere := func(rule string) bool { return iptables.Target(rule) == iptables.SSHChain }
	return saved[f].HasChain("filter", iptables.SSHChain) && len(saved[f].Rules("filter", iptables.SSHChain)) == 0 && len(saved[f].Where(goesThere)) == 0, nil
}
