package hub

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

// TestTakeListsOut: what a revoked mirror has put at the hub is gone, by the verb also what it has put by the name of
// another mirror; what comes back from a backup, the keeper takes out by the name.
func TestTakeListsOut(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	mirror := func(name fleet.Name) *host {
		c, err := h.op.AddMirror(name, time.Now())
		h.must(err)
		o := h.connect(c.Text(), "boot 1")
		o.awaitSynced(1)
		return o
	}
	bad, good, reader := mirror("evil_hub"), mirror("acme_hub"), h.join("zeta_pbx1")
	reader.awaitSynced(1)
	list := func(name string) link.List {
		return link.List{Key: link.ListKey(config.URL("https://lists.example.net/" + name)), SHA256: strings.Repeat("ab", 32), Entries: 7}
	}
	own, forged, honest := list("own"), list("forged"), list("honest")
	offered := func(l link.List) (is bool, err error) {
		o, err := reader.Offer(t.Context(), l.Key)
		if err != nil {
			return false, err
		}
		text, err := reader.Copy(t.Context(), l.Key)
		return o != nil && text != nil, err
	}
	are := func(all ...link.List) func() bool {
		return func() bool {
			return !slices.ContainsFunc(all, func(l link.List) bool { is, err := offered(l); return !is || err != nil })
		}
	}
	puts := func(m *host, by fleet.Name, l link.List) {
		h.must(m.publish(t.Context(), &nats.Msg{Subject: fleet.CopySubject(l.Key), Data: []byte("list")}, &nats.Msg{Subject: fleet.ListSubject(l.Key), Data: fleet.EncodeList(by, l)}))
	}
	puts(bad, "evil_hub", own)
	puts(bad, "acme_hub", forged)
	puts(good, "acme_hub", honest)
	until(t, "the hub has the lists", are(own, forged, honest))
	if keys, err := good.Copies(t.Context()); err != nil || len(keys) != 3 || !slices.Contains(keys, own.Key) {
		t.Errorf("%q, %v", keys, err)
	}
	backup := h.copyStore()
	until(t, "the hub has the lists", are(own, forged, honest))
	h.op.Revoke("evil_hub", time.Now())
	h.Reload(h.config(h.Place))
	creds, err := h.op.AdminCreds()
	h.must(err)
	_, err = TakeOut(t.Context(), h.op.URLs(), creds.Text(), "evil_hub", true)
	h.must(err)
	for _, l := range []link.List{own, forged, honest} {
		if is, err := offered(l); is || err != nil {
			t.Errorf("a list that was there is offered still: %v, %v", is, err)
		}
	}
	until(t, "an honest mirror is connected", func() bool { return !good.Health().Connected.IsZero() })
	puts(good, "acme_hub", honest) // as it does, since nothing is said of it
	until(t, "an honest mirror's list is there again", are(honest))

	log := h.keep() // the keeper that knows of it
	h.restore(backup)
	until(t, "the keeper takes out what the backup has", func() bool { return strings.Contains(log.String(), "lists=1") })
	until(t, "other mirrors' lists stay", are(honest))
	if is, err := offered(own); is || err != nil {
		t.Errorf("a revoked mirror's list is offered: %v, %v", is, err)
	}
}
