package feeds

import (
	"slices"
	"strings"

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

// inForcePrefix begins the file name of the copy that is in force while a newer one waits to be
// applied. No feed's name begins like that.
const inForcePrefix = "_was."

// Replaced returns the names of the feeds of which a copy is in force that a newer one has replaced on
// disk, sorted. One that cannot be known is missing.
func Replaced(store *fetch.Store) (names []string) {
	for _, name := range store.Named(inForcePrefix) {
		names = append(names, strings.TrimPrefix(name, inForcePrefix))
	}
	slices.Sort(names)
	return names
}

// ForgetReplaced removes the copies of feeds that [Replaced] has returned, after the newer ones were
// applied.
func ForgetReplaced(store *fetch.Store, names []string) {
	for _, name := range names {
		store.Drop(inForcePrefix + name)
	}
}

// Visit calls each with every prefix of a feed that is in force: of what stays of a lost copy, or of its
// copy, even if a newer one has replaced that on disk. After an error, what it was called with must not
// be used.
func Visit(store *fetch.Store, name string, limits config.Limits, each func(cidr.Prefix)) error {
	return visitFirst(store, limits, each, state.StandInPrefix+name, inForcePrefix+name, name)
}

// VisitNewest is [Visit] for what is in force once all copies are applied.
func VisitNewest(store *fetch.Store, name string, limits config.Limits, each func(cidr.Prefix)) error {
	return visitFirst(store, limits, each, state.StandInPrefix+name, name)
}

// VisitInForce calls each with every prefix that is in force of feeds, by their copies: of those that newer
// ones have replaced, if these were not applied yet. It leaves out a feed of which that is not known. got
// are the feeds as read; dryRun says that no copy was replaced then.
func VisitInForce(store *fetch.Store, got []*Feed, limits config.Limits, dryRun bool, each func(cidr.Prefix)) {
	last := readApplied(store)
	if last == nil {
		return
	}
	var configured []config.Feed
	for _, f := range got {
		configured = append(configured, f.Feed)
	}
	replaced, waiting := Replaced(store), Waiting(store, configured)
	for _, f := range got {
		file := f.Name
		_, waits := waiting[f.Name]
		switch {
		case !slices.Contains(last.Feeds, f.Name):
			continue
		case slices.Contains(replaced, f.Name):
			file = inForcePrefix + f.Name
		case waits, f.Report.State == Fresh && !dryRun:
			continue
		}
		if visit(store, file, PolicyOf(limits), func(cidr.Prefix) {}) == nil { // else it is damaged
			visit(store, file, PolicyOf(limits), each)
		}
	}
}

// visitFirst visits the first of some copies that exists.
func visitFirst(store *fetch.Store, limits config.Limits, each func(cidr.Prefix), names ...string) error {
	for _, name := range names {
		if err := visit(store, name, PolicyOf(limits), each); !problem.IsAbsent(err) {
			return err
		}
	}
	return nil
}

func visit(store *fetch.Store, file string, policy cidr.Policy, each func(cidr.Prefix)) error {
	c, err := store.Open(file)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, in := range c.Parts() {
		sc := cidr.NewScanner(in)
		for sc.Scan() {
			if sc.Reason() == cidr.Accepted && !policy.TooWide(sc.Prefixes()) {
				for _, p := range sc.Prefixes() {
					each(p)
				}
			}
		}
		if err := sc.Err(); err != nil {
			return err
		}
	}
	return c.Verify()
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
