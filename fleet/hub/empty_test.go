package hub

import (
	"fmt"
	"testing"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestEmpty: messages without any bytes, with which the hub's server ends what it sends for a request, keep nobody
// from reading what is behind them: neither a host that has read all nor one that begins. Later it asks for many
// messages at once again.
func TestEmpty(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	a.awaitSynced(1)
	b.awaitSynced(1)
	evil := h.login(h.admit("evil_pbx1"), keys.APIPrefix)
	n := 0
	empty := func(slots int) {
		for slot := range slots {
			h.must(evil.Publish(fleet.Subject("evil_pbx1", slot), nil))
		}
		h.must(evil.Flush())
		n++
		a.says(addresses(n)...)
		a.awaitSaid()
	}
	for range 3 {
		empty(fleet.Slots)
		b.awaitHears("acme_pbx1", addresses(n)...)
	}
	c := h.join("beta_pbx1")
	c.awaitHears("acme_pbx1", addresses(n)...)
	for range 5 { // each between others
		empty(1)
	}
	b.awaitHears("acme_pbx1", addresses(n)...)
	c.awaitHears("acme_pbx1", addresses(n)...)
	const many = 10 * awaited
	sequence := b.Health().Sequence
	var before uint64
	for i := range tailLength + many {
		if i == tailLength {
			before = b.sent()
		}
		h.must(evil.Publish(fleet.Subject("evil_pbx1", 0), fmt.Append(nil, i)))
		sequence++
		until(t, "it reads a message", func() bool { return b.Health().Sequence == sequence })
	}
	if n := b.sent() - before; n > many/4 {
		t.Errorf("it has sent %d requests for %d messages", n, many)
	}
	h.Kill()
	h.Run()
	a.says(addresses(9)...)
	for _, o := range []*host{b, c, h.join("beta_pbx2")} {
		o.awaitHears("acme_pbx1", addresses(9)...)
	}
}

// sent is how many messages the host has sent to the hub over its connection.
func (o *host) sent() uint64 {
	o.Conn.mu.Lock()
	defer o.Conn.mu.Unlock()
	return o.live.Stats().OutMsgs
}
