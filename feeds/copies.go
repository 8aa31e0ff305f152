package feeds

import (
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// OnDisk returns the entries of a feed's last good copy or, if that is lost, of what stays in force
// of it. It has nothing of a feed that has neither.
func OnDisk(store *fetch.Store, name string, limits config.Limits) (cidr.Sets, error) {
	sets, err := entriesOf(store, name, PolicyOf(limits))
	if err == nil {
		return sets, nil
	}
	kept, keptErr := readStandIn(store, name)
	switch {
	case keptErr == nil:
		return kept, nil
	case problem.IsAbsent(err):
		return cidr.Sets{}, nil
	}
	return cidr.Sets{}, err
}

// readStandIn reads the stand-in for a feed's copy.
func readStandIn(store *fetch.Store, name string) (cidr.Sets, error) {
	return entriesOf(store, state.StandInPrefix+name, cidr.Policy{})
}

// entriesOf reads the entries of a copy, which is all or nothing.
func entriesOf(store *fetch.Store, name string, policy cidr.Policy) (cidr.Sets, error) {
	c, err := store.Open(name)
	if err != nil {
		return cidr.Sets{}, err
	}
	defer c.Close()
	var b cidr.Builder
	m := c.Meta()
	b.Grow(cidr.IPv4, min(max(0, m.Entries-m.Entries6), mostGrown))
	b.Grow(cidr.IPv6, min(max(0, m.Entries6), mostGrown))
	for _, in := range c.Parts() {
		if _, err := cidr.Read(in, policy, &b); err != nil {
			return cidr.Sets{}, err
		}
	}
	if err := c.Verify(); err != nil {
		return cidr.Sets{}, err
	}
	return b.Sets(), nil
}
