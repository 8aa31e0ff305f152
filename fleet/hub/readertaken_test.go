package hub

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet/keys"
)

// TestReaderTaken: a host of which somebody ends the reader again and again, while another one speaks, makes another
// one by itself and misses nothing.
func TestReaderTaken(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	creds := h.admit("zeta_pbx1")
	a, b := h.join("acme_pbx1"), h.connect(creds, "boot 1")
	a.awaitSynced(1)
	js, err := jetstream.NewWithAPIPrefix(h.login(creds, keys.APIPrefix), keys.APIPrefix)
	h.must(err)
	all := addresses(100)
	for i := range 2 {
		b.awaitSynced(i + 1)
		a.says(all[:50*i+10]...)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		h.must(js.DeleteConsumer(ctx, keys.Stream, b.member.consumer))
		cancel()
		a.says(all[:50*i+50]...)
	}
	b.awaitHears("acme_pbx1", all...)
	b.look(func() {
		if b.anew > 0 {
			t.Errorf("it has read %d streams from their beginning", b.anew)
		}
	})
}
