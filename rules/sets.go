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

// EnsureSets creates the missing sets, empty, so that rules can refer to them. partly is why
// the IPv6 set could not be created.
func (r *Hold) EnsureSets() (partly *firewall.FamilyError, err error) {
	if err := r.ensureSet(cidr.IPv4); err != nil {
		return nil, err
	}
	if err := r.ensureSet(cidr.IPv6); err != nil {
		partly = &firewall.FamilyError{Family: iptables.IPv6, Err: err}
	}
	if err := setnames.EnsureBanSets(r.Cfg, r.Sets); !errors.As(err, new(*ipsetsync.ForeignSetError)) {
		return partly, err
	}
	return partly, nil // no rule names the set
}

func (r *Hold) ensureSet(f cidr.Family) error {
	name := r.Cfg.SetName(int(f))
	if err := r.CheckForeign(f); !errors.Is(err, ipsetsync.ErrNotFound) {
		return err
	}
	plan, err := ipsetsync.NewPlan(name, f, cidr.Shape{}, nil)
	if err != nil {
		return err
	}
	if _, err := r.Sets.Execute(plan); err != nil {
		return err
	}
	return state.RecordMade(r.Cfg, []*ipsetsync.Plan{plan})
}

// CheckForeign refuses to drop the members of a set that another program has created.
func (r *Hold) CheckForeign(f cidr.Family) error {
	h, err := r.Sets.Header(r.Cfg.SetName(int(f)))
	if err == nil && !ipsetsync.IsOurs(h, f) {
		return &foreignSetError{h}
	}
	return err
}

// foreignSetError says that a set with voipbl's name belongs to another program. Its members
// must not be dropped.
type foreignSetError struct{ Header ipsetsync.Header }

func (e *foreignSetError) Error() string {
	return fmt.Sprintf("the set %s is a %s of %s that somebody else made", e.Header.Name, e.Header.Type, e.Header.Family)
}

// Remedy says what to do about it.
func (e *foreignSetError) Remedy() string {
	return "\"voipbl sync\" replaces it if nothing uses it; or choose another name with \"set:\""
}
