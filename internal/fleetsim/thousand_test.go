package fleetsim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testfleet"
)

// loopback is where the hub is.
var loopback = netip.MustParseAddr("127.0.0.1")

// join starts a hub with n hosts.
func join(t testing.TB, n int) (*testfleet.Hub, *Fleet) {
	t.Helper()
	h := testfleet.Start(t, loopback)
	return h, Join(t, Members(h, n))
}

// TestThousand: a thousand hosts hear all that some of them say, and nothing twice, whatever becomes of the
// hub. What one of them says, a thousand have to read, so on a busy machine not each of them speaks.
func TestThousand(t *testing.T) {
	begin := time.Now()
	done := func(what string) { t.Helper(); t.Logf("%5.1f s: %s", time.Since(begin).Seconds(), what) }
	h, f := join(t, 1000)
	const share = 100
	f.SayAtOnce(share)
	f.AwaitAll()
	done("all are connected, and have heard what some have said")
	f.Pace(100, share, 10*time.Millisecond)
	f.AwaitAll()
	l := f.Latencies()
	_, most := h.Memory()
	done("all have heard 100 bans more")
	t.Logf("half of them within %s, 99 %% within %s, all within %s; the hub needs %.0f MB", l.Within(0.5), l.Within(0.99), l.Within(1), most)
	h.Kill()
	f.Say(7)
	h.Run()
	f.AwaitAll()
	done("the hub was killed, and is back")
	h.Lose()
	f.Say(8)
	h.Run()
	f.AwaitAll()
	done("the hub is back with an empty store")
	if n := f.Twice(); n > 0 {
		t.Errorf("%d messages were heard twice", n)
	}
}

// TestHeard: what is missing, and what is heard twice.
func TestHeard(t *testing.T) {
	var h heard
	take := func(message uint64, bans ...int) {
		h.take(message, bans, func(n int) (time.Duration, bool) { return time.Duration(n), n > 1 })
	}
	take(3, 0)
	take(7, 2, 0)
	if h.has(2) || !h.has(1) || h.doubles() != 0 {
		t.Errorf("%+v", &h)
	}
	take(7, 2, 0)
	take(3, 0)
	take(8, 1)
	if !h.has(3) || h.has(4) || h.doubles() != 2 {
		t.Errorf("%+v", &h)
	}
	h.forget()
	if h.has(1) {
		t.Errorf("%+v", &h)
	}
	take(1, 0, 1, 2)
	if !h.has(3) || h.doubles() != 2 || len(h.took()) != 2 {
		t.Errorf("%+v", &h)
	}
	if l := (Latencies{1, 2, 3, 4}); l.Within(0.5) != 3 || l.Within(0.99) != 4 || l.Within(1) != 4 || (Latencies{}).Within(1) != 0 {
		t.Error(l)
	}
}
