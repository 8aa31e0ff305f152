package friends_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testshare"
)

// TestFriends: each friend gets through to each port over both families, whatever blocks
// strangers. Each way is first shown to block a stranger.
func TestFriends(t *testing.T) {
	for _, s := range []setup{
		{backend: "nft", base: true, dropAt: "input", share: 1},
		{backend: "nft", base: false, dropAt: "input", share: 3},
		{backend: "legacy", base: true, dropAt: "prerouting", share: 3},
	} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, s)
			has := slices.DeleteFunc(slices.Clone(ways), func(w way) bool { return !s.has(w) })
			for _, w := range testshare.Every(t, s.share, has) {
				l.fill(w)
			}
		})
	}
}

// has reports whether a host of this setup has the column w.
func (s setup) has(w way) bool {
	if w.base && !s.base {
		return false
	}
	return !w.setsOnly || s.base && s.backend == "nft"
}

// fill runs the tests of a column.
func (l *lab) fill(w way) {
	l.Helper()
	w = w.atPorts()
	start := time.Now()
	defer func() { l.Logf("%s: %v", w.name, time.Since(start).Round(time.Millisecond)) }()
	stranger := l.stranger()
	for f := range pbx {
		for _, at := range w.ports {
			if !l.passes(at, stranger, f) {
				l.Fatalf("%s: a stranger at %s does not pass at first", at.name, stranger.addrs[f])
			}
		}
	}
	people := slices.DeleteFunc(slices.Clone(l.people), func(p person) bool { return w.none[p.name] != "" })
	w.block(l, people, stranger)
	for f := range pbx {
		if !w.blocked(l, stranger, f) {
			l.Errorf("%s: a stranger at %s passes\n%s", w.name, stranger.addrs[f], l.state(stranger.addrs[f]))
		}
		for _, p := range people {
			if !w.passes(l, p, f) {
				l.Errorf("%s: %s at %s does not pass\n%s", w.name, p.name, p.addrs[f], l.state(p.addrs[f]))
			}
		}
	}
}

// atPorts returns w with the default check, packets to its ports.
func (w way) atPorts() way {
	if w.passes != nil {
		return w
	}
	w.passes = func(l *lab, p person, family int) bool {
		for _, at := range w.ports {
			if !l.passes(at, p, family) {
				l.Logf("%s: %s does not pass", at.name, p.name)
				return false
			}
		}
		return true
	}
	w.blocked = func(l *lab, p person, family int) bool {
		for _, at := range w.ports {
			if !l.blocked(at, p, family) {
				l.Logf("%s: %s passes", at.name, p.name)
				return false
			}
		}
		return true
	}
	return w
}

// state returns the kernel's rules that have counted packets, and the sets' entries of
// an address.
func (l *lab) state(addr netip.Addr) string {
	family := 0
	if addr.Is6() {
		family = 1
	}
	return l.sh([...]string{"iptables", "ip6tables"}[family] + "-save -c | grep -v '^.0:0'; ipset save | grep -F " + addr.String() + " || true")
}

// TestNone: every cell that is left out names a friend of the table and has a reason.
func TestNone(t *testing.T) {
	known := make(map[string]bool)
	for _, p := range friends {
		known[p.name] = true
	}
	for _, w := range ways {
		for name, reason := range w.none {
			if !known[name] || reason == "" {
				t.Errorf("%s: no cell for %q, because %q", w.name, name, reason)
			}
		}
		if len(w.none) == len(friends) {
			t.Errorf("%s: no cell at all", w.name)
		}
	}
}
