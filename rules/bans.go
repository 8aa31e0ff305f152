package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/state"
)

// The base rules refer to sets and a chain that fail2ban fills. Missing ones are created
// and existing ones are left alone. They are removed with the base rules if voipbl
// created them and nothing uses them.

// EnsureBans creates the missing sets, also those of registered phones, and fills these; the chain
// is created in the transaction of the rules. What is created is recorded before it is used, since
// the process may be killed.
func (r *Hold) EnsureBans(ctx context.Context, plans [2]*firewall.Plan) error {
	before, phones := problem.Digest(r.Record), false
	for _, f := range cidr.Families {
		name := ruleset.BanSetName(iptables.Family(f))
		made, err := r.Sets.EnsureBanSet(name, f)
		if err != nil {
			return err
		}
		if made && !slices.Contains(r.Record.Sets, name) {
			r.Record.Sets = append(r.Record.Sets, name)
		}
		r.Record.Chains[f] = r.Record.Chains[f] || len(plans[f].Made) > 0
		if !r.Cfg.KnowsPhones() {
			continue
		}
		name = r.Cfg.KnownSetName(int(f))
		made, err = r.Sets.EnsureKnownSet(name, f)
		if err != nil && !errors.As(err, new(*ipsetsync.ForeignSetError)) {
			return err // no rule names another program's set
		}
		phones = phones || made
		if made && !slices.Contains(r.Record.Sets, name) {
			r.Record.Sets = append(r.Record.Sets, name)
		}
	}
	if problem.Digest(r.Record) != before {
		r.WriteRecord() // if it cannot be kept, remember says so
	}
	if phones { // if it fails, the limits apply until the agent's next check, which reports it
		known.Settle(ctx, r.Cfg, r.Sets, "voipbl", state.LookWait, false)
	}
	return nil
}

// missingSets returns the sets that rules can refer to and that the kernel does not have.
func (r *Hold) missingSets() ([]string, error) {
	missing := []string{}
	for _, f := range cidr.Families {
		names := []string{r.Cfg.SetName(int(f)), r.Cfg.BanSetName(int(f)), ruleset.BanSetName(iptables.Family(f))}
		if r.Cfg.KnowsPhones() {
			names = append(names, r.Cfg.KnownSetName(int(f)))
		}
		for _, name := range names {
			if _, err := r.Sets.Kind(name); errors.Is(err, ipsetsync.ErrNotFound) {
				missing = append(missing, name)
			} else if err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

// AbsentBans returns, by family, whether the fail2ban chain that base rules refer to is
// missing, and the sets that are missing.
func (r *Hold) AbsentBans(saved [2]*iptables.Saved) (chains [2]bool, sets []string, err error) {
	for _, f := range cidr.Families {
		chains[f] = saved[f].Unknown() == nil && !saved[f].HasChain("filter", iptables.SSHChain)
		names := []string{ruleset.BanSetName(iptables.Family(f))}
		if r.Cfg.KnowsPhones() {
			names = append(names, r.Cfg.KnownSetName(int(f)))
		}
		for _, name := range names {
			if _, err := r.Sets.Kind(name); errors.Is(err, ipsetsync.ErrNotFound) {
				sets = append(sets, name)
			} else if err != nil {
				return chains, nil, err
			}
		}
	}
	return chains, sets, nil
}

// droppedBans is what DropBans found.
type droppedBans struct{ Chains, Sets, Stay []string }

// DropBans removes what EnsureBans created, if it is empty and no rule refers to it.
func (r *Hold) DropBans(ctx context.Context) (d droppedBans, err error) {
	var backends []*firewall.Firewall
	if r.Record.Chains != [2]bool{} {
		backends = firewall.Backends()
	}
	for _, fw := range backends {
		for _, f := range iptables.Families {
			if !r.Record.Chains[f] {
				continue
			}
			gone, err := fw.RemoveBanChain(ctx, f)
			if err != nil {
				return d, err
			}
			if gone {
				d.Chains = append(d.Chains, fmt.Sprintf("%s (%s)", iptables.SSHChain, f))
				r.Record.Chains[f] = false
			}
		}
	}
	for _, name := range slices.Clone(r.Record.Sets) {
		gone, stays, err := r.Sets.RemoveBanSet(name)
		if err != nil {
			return d, err
		}
		if stays && slices.Contains([]string{r.Cfg.KnownSetName(0), r.Cfg.KnownSetName(1)}, name) {
			continue // it has phones; a removal destroys it by its name
		}
		if stays {
			d.Stay = append(d.Stay, name+" was made for fail2ban and is in use: it stays")
			continue
		}
		if gone {
			d.Sets = append(d.Sets, name)
		}
		r.Record.Sets = slices.DeleteFunc(r.Record.Sets, func(s string) bool { return s == name })
	}
	return d, nil
}
