package firewall

import (
	"context"
	"errors"
)

// RemoveBanChain takes fail2ban's chain for ssh out, if it is empty and no rule
// goes to it, and says whether it did. It is for whoever made it.
func (fw *Firewall) RemoveBanChain(ctx context.Context, f Family) (removed bool, err error) {
	saved, err := fw.Read(ctx)
	if err != nil {
		return false, err
	}
	goesThere := func(rule string) bool { return target(rule) == SSHChain }
	if !saved[f].HasChain("filter", SSHChain) || len(saved[f].rules("filter", SSHChain)) > 0 || len(saved[f].where(goesThere)) > 0 {
		return false, nil
	}
	var plans [2]*Plan
	for _, g := range Families {
		plans[g] = &Plan{Family: g}
	}
	plans[f].text = "*filter\n-X " + SSHChain + "\nCOMMIT\n"
	err = fw.restore(ctx, plans, false)
	if refused := (*ToolError)(nil); errors.As(err, &refused) {
		return false, nil // somebody has begun to use it
	}
	return err == nil, err
}
