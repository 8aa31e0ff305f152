package rules

import (
	"errors"
	"fmt"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// EnsureSets makes the sets that are missing, empty, so that rules can refer to
// them. partly is why that of IPv6 cannot be there.
func (r *Hold) EnsureSets() (partly *firewall.FamilyError, err error) {
	if err := r.ensureSet(cidr.IPv4); err != nil {
		return nil, err
	}
	if err := r.ensureSet(cidr.IPv6); err != nil {
		partly = &firewall.FamilyError{Family: iptables.IPv6, Err: err}
	}
	if err := setnames.EnsureBanSets(r.Cfg, r.Sets); !errors.As(err, new(*ipsetsync.ForeignBanSetError)) {
		return partly, err
	}
	return partly, nil // no rule names it
}

func (r *Hold) ensureSet(f cidr.Family) error {
	name := r.Cfg.SetName(int(f))
	if err := r.CheckForeign(f); !errors.Is(err, ipsetsync.ErrNotFound) {
		return err
	}
	plan, err := ipsetsync.NewPlan(name, f, cidr.Set{}, nil)
	if err != nil {
		return err
	}
	if _, err := r.Sets.Execute(plan); err != nil {
		return err
	}
	return state.RecordMade(r.Cfg, r.Sets, []*ipsetsync.Plan{plan})
}

// CheckForeign refuses to drop the members of a set that somebody else has made.
func (r *Hold) CheckForeign(f cidr.Family) error {
	h, err := r.Sets.Header(r.Cfg.SetName(int(f)))
	if err == nil && !ipsetsync.IsOurs(h, f) {
		return &foreignSetError{h}
	}
	return err
}

// foreignSetError is a set of our name that somebody else has made: its members
// are not to be dropped.
type foreignSetError struct{ Header ipsetsync.Header }

func (e *foreignSetError) Error() string {
	return fmt.Sprintf("the set %s is a %s of %s that somebody else made", e.Header.Name, e.Header.Type, e.Header.Family)
}

// Remedy says what to do about it.
func (e *foreignSetError) Remedy() string {
	return "\"voipbl sync\" replaces it if nothing uses it; or choose another name with \"set:\""
}
