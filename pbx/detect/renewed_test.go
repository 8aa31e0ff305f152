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
	w.d.Forget(one)
	is("banned", renewed(), []string{})
	is("comes back", []bool{registers(two), registers(one)}, []bool{false, true})
	is("its neighbour", renewed(), []string{two.String() + " until 1h7m0s"})
}
