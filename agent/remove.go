package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Removed is what Remove took out of the kernel.
type Removed struct {
	Rules  []firewall.Change // rules and chains
	Chains []string          // chains made for fail2ban and never used
	Sets   []string
	Stays  []string // what has one of our names and is not ours, or is in use by others
}

// Nothing reports whether there was nothing to remove.
func (r *Removed) Nothing() bool { return len(r.Rules)+len(r.Chains)+len(r.Sets) == 0 }

// Remove takes our rules and chains out of the kernel, in both backends, and then
// the sets. If a rule or list that is not ours uses one, nothing is removed, and
// the error names it. A set of our name and another type is somebody else's and
// stays. What was made for fail2ban goes if it was never used. The copies of the
// feeds stay, so that the next sync needs no network.
func Remove(ctx context.Context, cfg config.Config, wait time.Duration) (*Removed, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	unlock, err := lock(ctx, cfg.RunDir, "voipbl remove", wait, nil)
	if err != nil {
		return nil, err
	}
	defer unlock()
	removed := &Removed{}
	sets, err := removed.findSets(ctx, cfg, kernel)
	if err != nil {
		return nil, err
	}
	backends := firewall.Backends()
	for _, fw := range backends {
		saved, err := fw.Read(ctx)
		if err != nil {
			return removed, err
		}
		done, err := fw.Apply(ctx, firewall.Wanted{}, saved, nil)
		if err != nil {
			return removed, err
		}
		removed.Rules = append(removed.Rules, firewall.Changes(done.Plans)...)
	}
	if err := removed.forFail2ban(ctx, cfg, kernel, backends); err != nil {
		return removed, err
	}
	for _, name := range sets {
		if err := kernel.Destroy(name); err != nil {
			return removed, err
		}
		removed.Sets = append(removed.Sets, name)
	}
	return removed, nil
}

// findSets finds our sets, and refuses if something that is not ours uses one.
func (r *Removed) findSets(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) ([]string, error) {
	var sets []string
	for _, f := range cidr.Families {
		for _, name := range []string{setName(cfg, f), ipsetsync.TempName(setName(cfg, f))} {
			h, err := kernel.Header(name)
			if errors.Is(err, ipsetsync.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if !ipsetsync.IsOurs(h, f) {
				r.Stays = append(r.Stays, fmt.Sprintf("%s is a %s of %s, which is not ours: it stays", name, h.Type, h.Family))
				continue
			}
			if users := append(listUsers(kernel, name), firewall.ForeignUsers(ctx, name)...); len(users) > 0 {
				return nil, &ipsetsync.InUseError{Header: h, Want: f, Users: users}
			}
			sets = append(sets, name)
		}
	}
	return sets, nil
}

// forFail2ban removes what we made for fail2ban and nobody uses, and forgets what
// is known about the rules.
func (r *Removed) forFail2ban(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, backends []*firewall.Firewall) error {
	store, err := findStore(cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		run = nil // then we do not know that we made anything
	} else {
		defer run.Close()
	}
	state, record, _ := readRules(store, run)
	if state.Pending != nil {
		disarm(state.Pending.Token)
	}
	for _, f := range firewall.Families {
		for _, fw := range backends {
			if !record.Chains[f] {
				continue
			}
			gone, err := fw.RemoveBanChain(ctx, f)
			if err != nil {
				return err
			}
			if gone {
				r.Chains = append(r.Chains, fmt.Sprintf("%s (%s)", firewall.SSHChain, f))
			}
		}
	}
	for _, name := range record.Sets {
		gone, err := kernel.RemoveBanSet(name)
		if err != nil {
			return err
		}
		if gone {
			r.Sets = append(r.Sets, name)
		} else {
			r.Stays = append(r.Stays, fmt.Sprintf("%s was made for fail2ban and is in use: it stays", name))
		}
	}
	slices.Sort(r.Chains)
	r.Chains = slices.Compact(r.Chains)
	if run != nil && record.Generation+record.Wanted != "" {
		if err := run.WriteJSON(rulesFile, ruleRecord{}); err != nil {
			return err
		}
	}
	if store != nil && digest(state) != digest(ruleState{}) {
		return store.WriteJSON(rulesFile, ruleState{})
	}
	return nil
}
