package rules

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
)

// TestNoDrop has no rules in one backend, and a family of the other that cannot be listed: only
// what is known is said to have no drop.
func TestNoDrop(t *testing.T) {
	testns.Enter(t)
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	cfg := testvalue.Config(t, "firewall: {drop_at: none}")
	backend := func(four, six error) reach.KernelRules {
		return reach.KernelRules{Saved: [2]*iptables.Saved{{Family: iptables.IPv4, Trouble: four}, {Family: iptables.IPv6, Trouble: six}}}
	}
	known, missing := backend(nil, nil), &iptables.MissingToolError{Tool: "ip6tables-legacy-save"}
	for name, c := range map[string]struct {
		saved  []reach.KernelRules
		unseen bool
		sets   int
	}{
		"known":         {[]reach.KernelRules{known}, false, 2},
		"both unknown":  {[]reach.KernelRules{known, backend(unix.ENOBUFS, unix.ENOBUFS)}, true, 2},
		"IPv4 unknown":  {[]reach.KernelRules{backend(unix.ENOBUFS, nil), known}, false, 1},
		"missing tools": {[]reach.KernelRules{known, backend(nil, missing)}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			err := noDrop(t.Context(), cfg, kernel, c.saved, func(f cidr.Family) []string { return []string{cfg.SetName(int(f))} }, false)
			var (
				none   *noDropError
				unseen *unseenDropError
			)
			switch {
			case c.unseen && (!errors.As(err, &unseen) || len(unseen.Sets) != c.sets || !errors.Is(err, unix.ENOBUFS)):
				t.Errorf("%v", err)
			case !c.unseen && (!errors.As(err, &none) || len(none.Sets) != c.sets):
				t.Errorf("%v", err)
			}
		})
	}
	// Rules may refer to a set through a list that contains it, and the kernel does not say which
	// lists there are.
	kernel.Close()
	var unseen *unseenDropError
	if err := noDrop(t.Context(), cfg, kernel, []reach.KernelRules{known}, func(f cidr.Family) []string { return []string{cfg.SetName(int(f))} }, false); !errors.As(err, &unseen) || len(unseen.Sets) != 2 {
		t.Errorf("lists of sets that cannot be had: %v", err)
	}
}
