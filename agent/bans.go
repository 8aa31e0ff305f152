package agent

import (
	"context"
	"fmt"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
)

// The base rules refer to sets and a chain that fail2ban fills. They are made if
// they are missing, left alone if not, and taken out with the base rules if it was
// us who made them and nobody has used them.

// ensureBans makes the sets; the chain is made in the transaction of the rules.
func (r *rules) ensureBans() error {
	for _, f := range cidr.Families {
		name := firewall.BanSetName(firewall.Family(f))
		made, err := r.sets.EnsureBanSet(name, f)
		if err != nil {
			return err
		}
		if made {
			r.record.Sets = append(r.record.Sets, name)
		}
	}
	return nil
}

// droppedBans is what dropBans found.
type droppedBans struct{ chains, sets, stay []string }

// dropBans takes out what ensureBans made, where it is empty and no rule refers to
// it.
func (r *rules) dropBans(ctx context.Context) (d droppedBans, err error) {
	for _, fw := range firewall.Backends() {
		for _, f := range firewall.Families {
			if !r.record.Chains[f] {
				continue
			}
			gone, err := fw.RemoveBanChain(ctx, f)
			if err != nil {
				return d, err
			}
			if gone {
				d.chains = append(d.chains, fmt.Sprintf("%s (%s)", firewall.SSHChain, f))
			}
		}
	}
	for _, name := range r.record.Sets {
		gone, err := r.sets.RemoveBanSet(name)
		if err != nil {
			return d, err
		}
		if gone {
			d.sets = append(d.sets, name)
		} else {
			d.stay = append(d.stay, name+" was made for fail2ban and is in use: it stays")
		}
	}
	r.record.Chains, r.record.Sets = [2]bool{}, nil
	return d, nil
}
