package hep

import (
	"testing"
	"time"
)

// TestNonces: a nonce proves the one address that it was sent to, and nothing for an hour after two askers
// were sent the same.
func TestNonces(t *testing.T) {
	a, b := phone.Addr(), attacker.Addr()
	to := func(asked bool) receiver { return receiver{addr: a.As16(), asked: asked} }
	other := receiver{addr: b.As16(), asked: true}
	for what, asked := range map[string][2]bool{"asked at last": {false, true}, "asked at first": {true, false}} {
		n := newNonces()
		n.send(t0, 1, 1, to(asked[0]))
		n.send(t0, 1, 1, to(asked[1]))
		n.send(t0, 1, 2, other)
		n.send(t0, 3, 3, to(true))
		if proved, _ := n.take(t0, 3, 3, a); proved {
			t.Errorf("%s: a PBX that sends all the same nonce is trusted", what)
		}
	}
	for after, want := range map[time.Duration]bool{0: true, distrust - 1: true, distrust: false, -distrust + 1: true, -distrust: false} {
		n := newNonces()
		if n.distrusted(t0.Add(after)) {
			t.Error("distrusted without a reason")
		}
		n.common = t0
		if got := n.distrusted(t0.Add(after)); got != want {
			t.Errorf("after %v: distrusted %v", after, got)
		}
	}
	// Nonces that others come with than they were sent to displace none that has come back.
	n := newNonces()
	n.send(t0, 1, 1, to(true))
	n.take(t0, 1, 1, a)
	for i := range uint64(2 * maxReturned) {
		n.send(t0, 10+i, 10+i, to(true))
		n.take(t0, 10+i, 10+i, b)
	}
	if proved, _ := n.take(t0, 1, 1, a); !proved {
		t.Error("nonces of others displace one that has come back")
	}
}
