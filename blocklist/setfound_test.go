package blocklist

import (
	"testing"

	"github.com/voipbl/voipbl/ipsetsync"
)

func TestSetFound(t *testing.T) {
	live := &ipsetsync.Header{Name: "voip_bl"}
	for _, test := range []struct {
		plan ipsetsync.Plan
		want string
	}{
		{ipsetsync.Plan{Added: 5}, "the set voip_bl was gone"},
		{ipsetsync.Plan{Live: live, Why: "it had no counters", Added: 5}, "the set voip_bl had been replaced: it had no counters"},
		{ipsetsync.Plan{Live: live, Added: 7, Removed: 4, Lacked: 5, Strange: 2}, "the set voip_bl lacked 5 entries and had 2 that voipbl did not add"},
		{ipsetsync.Plan{Live: live, Why: "8 prefix lengths become 1", Reshaped: true}, "the set voip_bl blocked the same addresses, but by other entries"},
	} {
		test.plan.Name = "voip_bl"
		if got := setFound(&test.plan); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
