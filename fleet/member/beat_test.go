package member

import (
	"net/netip"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/testfleet"
)

// heartbeat is the last one of a host at the hub.
func heartbeat(t *testing.T, h *testfleet.Hub, name fleet.Name) (b hub.Heartbeat, ok bool) {
	t.Helper()
	for _, b := range h.Look().Heartbeats {
		if b.Name == name {
			return b, true
		}
	}
	return hub.Heartbeat{}, false
}

// TestBeat: the hub knows how a host is when it is connected, at once when that changes, and again when it
// has lost what it knew.
func TestBeat(t *testing.T) {
	h := testfleet.Start(t, netip.MustParseAddr("127.0.0.1"))
	a := newAgent(h, "acme_pbx7")
	well := beat.Beat{Version: "1.4.0", Agent: true, Protected: true, Problems: []string{}, Entries: 7}
	a.set(func() { a.beat = well })
	a.run(t)
	says := func(what string, is func(hub.Heartbeat) bool) (last hub.Heartbeat) {
		t.Helper()
		eventually(t, what, func() bool {
			b, ok := heartbeat(t, h, "acme_pbx7")
			last = b
			return ok && is(b)
		})
		return last
	}
	first := says("it says that it is well", func(b hub.Heartbeat) bool { return b.Beat.Protected && b.Beat.Entries == 7 })
	if first.Odd != nil || first.Beat.Uptime <= 0 || first.Beat.Version != "1.4.0" || time.Since(first.At).Abs() > limit {
		t.Errorf("%+v", first)
	}
	began := time.Now()
	a.set(func() { a.beat.Protected, a.beat.Problems, a.status = false, []string{beat.NoDrop}, a.status+1 })
	says("it says that it is not protected", func(b hub.Heartbeat) bool { return !b.Beat.Protected && len(b.Beat.Problems) == 1 })
	t.Logf("told after %v", time.Since(began))
	h.Lose()
	h.Run()
	says("it says so again", func(b hub.Heartbeat) bool { return !b.Beat.Protected && b.Beat.Agent })
}
