package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// TestRenewed: a phone is told of when it is new, and again when it has renewed its registration; one that
// somebody else has banned is new when it comes back, and its neighbours in the same network are not.
func TestRenewed(t *testing.T) {
	w := newWorld(t)
	one, two := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	registers := func(a netip.Addr) (isNew bool) {
		w.wait(time.Minute)
		o := pbx.Observation{At: w.now, Source: netip.AddrPortFrom(a, 5060), Transport: "udp", What: pbx.Registered, Account: "6001", Proved: true, Until: w.now.Add(time.Hour)}
		return slices.ContainsFunc(w.d.See(w.now, o), func(v Verdict) bool { _, is := v.(Trust); return is })
	}
	renewed := func() (all []string) {
		for _, p := range w.d.Renewed(w.now) {
			all = append(all, fmt.Sprint(p.Addr, " until ", p.Until.Sub(t0)))
		}
		return all
	}
	is := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, not %v", what, got, want)
		}
	}
	is("new", []bool{registers(one), registers(two)}, []bool{true, true})
	is("told at once", renewed(), []string{})
	is("again", []bool{registers(one), registers(two), registers(two)}, []bool{false, false, false})
	is("told later", renewed(), []string{one.String() + " until 1h3m0s", two.String() + " until 1h5m0s"})
	is("told once", renewed(), []string{})
	registers(one)
	w.d.Forget(single(one))
	is("banned", renewed(), []string{})
	is("comes back", []bool{registers(two), registers(one)}, []bool{false, true})
	is("its neighbour", renewed(), []string{two.String() + " until 1h7m0s"})
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// TestKeep: phones that somebody else does not know are forgotten, unless they have proved their password
// since that one was told of all. Those in a banned network are forgotten, whatever they have proved.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	there := func() (all []string) {
		for _, p := range w.d.Phones(w.now) {
			all = append(all, p.Addr.String())
		}
		return all
	}
	is := func(what string, want ...string) {
		t.Helper()
		if got := there(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", what, got, want)
		}
	}
	const a, b, c, d = "198.51.100.1", "198.51.100.9", "2001:db8::1", "2001:db8:0:1::2"
	register := func(addr string) {
		w.register(netip.AddrPortFrom(netip.MustParseAddr(addr), 5060), "6001", time.Hour)
	}
	for _, addr := range []string{a, b, c, d} {
		register(addr)
		register(addr)
	}
	w.wait(time.Minute)
	told := w.now
	w.wait(time.Second)
	register(b)
	w.d.Keep(w.now, told, []Phone{{Addr: netip.MustParseAddr(c), Account: "6001"}, {Addr: netip.MustParseAddr(d), Account: "6002"}})
	is("one is known, and one is right since", b, c)
	for _, addr := range []string{a, d} {
		register(addr)
	}
	for _, n := range []struct {
		network string
		want    []string
	}{
		{"198.51.100.8/29", []string{a, c, d}}, {"2001:db8::2/128", []string{a, c, d}}, {"2001:db8:0:1::/64", []string{a, c}},
		{"2001:db8::/47", []string{a}}, {"203.0.113.0/24", []string{a}}, {"198.51.100.1/32", nil},
	} {
		w.d.Forget(netip.MustParsePrefix(n.network))
		is(n.network, n.want...)
	}
}
