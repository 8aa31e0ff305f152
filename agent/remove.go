package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
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
	// An agent would put everything back.
	done, err := lockAgent(ctx, cfg, "voipbl remove")
	if err != nil {
		return nil, err
	}
	defer done()
	for _, name := range []string{mainLock, setsLock, rulesLock} {
		unlock, err := lock(ctx, cfg.RunDir, name, "voipbl remove", wait, nil)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	removed := &Removed{}
	if users := firewall.ChainUsers(ctx); len(users) > 0 {
		return nil, &ChainInUseError{users}
	}
	sets, err := removed.findSets(ctx, cfg, kernel)
	if err != nil {
		return nil, err
	}
	for _, fw := range firewall.Backends() {
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return removed, err
		}
		done, err := fw.Apply(ctx, firewall.Wanted{}, saved, nil)
		if err != nil {
			return removed, err
		}
		removed.Rules = append(removed.Rules, firewall.Changes(done.Plans)...)
	}
	if err := removed.forget(ctx, cfg, kernel); err != nil {
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

// ChainInUseError is a chain of ours that rules of others go to.
type ChainInUseError struct{ Users []string }

func (e *ChainInUseError) Error() string {
	return "a chain of ours is in use\n    by " + strings.Join(e.Users, "\n    by ")
}

// Remedy says what to do about it.
func (e *ChainInUseError) Remedy() string { return "take that rule out and run again" }

// findSets finds our sets, and refuses if something that is not ours uses one.
func (r *Removed) findSets(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) ([]string, error) {
	var sets []string
	for _, f := range cidr.Families {
		for _, name := range []string{setName(cfg, f), ipsetsync.TempName(setName(cfg, f)), cfg.BanSetName(int(f))} {
			h, err := kernel.Header(name)
			if errors.Is(err, ipsetsync.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if name == cfg.BanSetName(int(f)) && ipsetsync.IsOurs(h, f) && ipsetsync.CheckBanSet(h, f) != nil {
				r.Stays = append(r.Stays, fmt.Sprintf("%s is a set that voipbl did not make: it stays", name))
				continue
			}
			if !ipsetsync.IsOurs(h, f) {
				r.Stays = append(r.Stays, fmt.Sprintf("%s is a %s of %s, which is not ours: it stays", name, h.Type, h.Family))
				continue
			}
			if users := append(listUsers(kernel, name), firewall.ForeignRulesWithSet(ctx, name)...); len(users) > 0 {
				return nil, &ipsetsync.InUseError{Header: h, Want: f, Users: users}
			}
			sets = append(sets, name)
		}
	}
	return sets, nil
}

// forget removes what we made for fail2ban and nobody uses, and what is known about
// the rules.
func (r *Removed) forget(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	store, err := findStore(cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	rules := openRules(cfg, nil, kernel, store)
	defer rules.close()
	if p := rules.state.Pending; p != nil {
		disarm(p.Token)
	}
	if rules.run != nil && readSetRecord(rules.run).Sets != [2]setPrint{} {
		if err := rules.run.WriteJSON(setsFile, setRecord{}); err != nil {
			return err
		}
	}
	known := digest(rules.record) != digest(ruleRecord{Kernel: rules.record.Kernel})
	dropped, err := rules.dropBans(ctx)
	if err != nil {
		return err
	}
	r.Chains, r.Sets, r.Stays = dropped.chains, dropped.sets, append(r.Stays, dropped.stay...)
	if known {
		rules.record = ruleRecord{}
		if err := rules.writeRecord(); err != nil {
			return err
		}
	}
	// That this is no fresh host, and what was rejected here, is not forgotten.
	left := ruleState{Since: rules.state.Since, Rejected: rules.state.Rejected}
	if store == nil || rules.stateErr == nil && digest(rules.state) == digest(left) {
		return nil
	}
	rules.state = left
	return errors.Join(rules.writeState(), rules.writeCopy(nil))
}
