package hub

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
)

// TestTwin: two hosts with one credential notice each other, and what they say is not lost for others.
func TestTwin(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	a := h.connect(creds, "boot of a")
	a.says("45.1.1.1")
	a.awaitSaid()
	b := h.connect(creds, "boot of b")
	b.says("45.2.2.2")
	until(t, "one of them is told of its twin", func() bool {
		return !a.Health().Twin.IsZero() || !b.Health().Twin.IsZero()
	})
}

// TestSilentTwin: two hosts with one credential notice each other, both of them, though neither says anything.
func TestSilentTwin(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	a := h.connect(creds, "boot of a")
	a.awaitSynced(1)
	b := h.connect(creds, "boot of b")
	until(t, "both are told of their twin", func() bool {
		return !a.Health().Twin.IsZero() && !b.Health().Twin.IsZero()
	})
}

// TestHubSeesTwins: the hub lists both connections of one key.
func TestHubSeesTwins(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	c, err := h.op.Add("acme_pbx1", time.Now())
	h.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	for range 2 {
		conn, err := nats.Connect(h.op.URLs()[0], nats.UserJWTAndSeed(c.Token, c.Seed),
			nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nats.Timeout(time.Minute))
		h.must(err)
		defer conn.Close()
	}
	op, err := h.op.SystemCreds()
	h.must(err)
	account, err := h.op.HostsAccount()
	h.must(err)
	asker, err := Ask(t.Context(), h.op.URLs(), op.Text(), account)
	h.must(err)
	defer asker.Close()
	until(t, "the hub sees both", func() bool {
		all, err := asker.Connections(t.Context())
		return err == nil && len(all) == 2 && all[0].Key == all[1].Key
	})
}

// TestNoTwin: neither what a host said before it was started again, nor before a reboot, nor over a
// lost connection, is a twin's.
func TestNoTwin(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	other := h.join("zeta_pbx1")
	for _, instance := range []string{"boot 1", "boot 1", "boot 2"} {
		a := h.connect(creds, instance)
		a.awaitSynced(1)
		for i := range 20 {
			a.says(addresses(20 + i)...)
		}
		a.awaitSaid()
		h.Restart()
		a.says(addresses(50)...)
		a.awaitSynced(2)
		a.awaitSaid()
		if got := a.Health().Twin; !got.IsZero() {
			t.Errorf("%s: a twin at %s", instance, got)
		}
		a.end()
	}
	other.awaitHears("acme_pbx1", addresses(50)...)
}

// ownTest is what one host says, without a hub.
type ownTest struct {
	own
	seq uint64
	up  time.Duration
}

func (o *ownTest) due() []int {
	slots, _ := o.own.due(o.up)
	return slots
}

func (o *ownTest) pending() time.Duration {
	_, next := o.own.due(o.up)
	return next
}

// stores is a message that the hub stores, and the host reads.
func (o *ownTest) stores(instance string, slot int, said []fleet.Said) (twin bool) {
	o.seq++
	return o.own.read(Slot{Slot: slot, Message: fleet.Message{Instance: instance, Said: said}, At: o.up}, o.seq)
}

func (o *ownTest) sends(slot int) []fleet.Said {
	text, _ := o.message(slot, o.up)
	o.sending(slot, o.up)
	m, _ := fleet.Decode(slot, text)
	return m.Said
}

func oneBan(left time.Duration) (slot int, all [fleet.Slots][]fleet.Said) {
	all = fleet.Divide([]fleet.Said{saidOf("45.1.2.3", left)})
	for slot := range all {
		if len(all[slot]) > 0 {
			return slot, all
		}
	}
	return 0, all
}

// TestOwn: what is said, and said again.
func TestOwn(t *testing.T) {
	o := &ownTest{own: own{instance: "me"}, up: time.Hour}
	expect := func(what string, want int) {
		t.Helper()
		if got := len(o.due()); got != want {
			t.Errorf("%s: %d slots are to be sent, not %d", what, got, want)
		}
	}
	expect("nothing to say", 0)
	slot, all := oneBan(time.Hour)
	o.say(all, 0, o.up)
	expect("a ban", 1)
	o.sends(slot)
	expect("sent", 0)
	if next := o.pending(); next <= 0 || next > readBack {
		t.Errorf("it is sent again after %s", next)
	}
	o.up += readBack
	expect("not read for long", 1)
	if o.sends(slot); !o.unread() {
		t.Error("that is not noticed")
	}
	o.up += readBack
	expect("it is sent again after a longer time", 0)
	o.up += readBack
	expect("after a longer time", 1)
	o.stores("me", slot, o.sends(slot))
	expect("read", 0)
	if o.unread() {
		t.Error("it is read")
	}
	o.up += 10 * time.Minute
	o.say(all, 0, o.up) // a later end, and a later beginning
	expect("another end", 1)
	o.stores("me", slot, o.sends(slot))
	_, jitter := oneBan(time.Hour + time.Second)
	o.say(jitter, 0, o.up)
	expect("the end is another by a second", 0)
	o.up += 2 * time.Hour
	expect("what has ended needs nobody to say so", 0)
	o.say([fleet.Slots][]fleet.Said{}, 0, o.up)
	expect("it has ended", 0)
	_, forever := oneBan(-1)
	o.say(forever, 0, o.up)
	o.stores("me", slot, o.sends(slot))
	o.up += 1000 * time.Hour
	expect("no end", 0)
	o.say([fleet.Slots][]fleet.Said{}, 0, o.up)
	expect("taken back", 1)
	o.stores("me", slot, o.sends(slot))
	expect("taken back, and read", 0)
	o.say(forever, 0, o.up)
	o.stores("me", slot, o.sends(slot))
	o.begin(0)
	expect("the hub has lost it", 1)
}

// TestOwnTwin: what another host says by this name is answered at once, and then once a minute.
func TestOwnTwin(t *testing.T) {
	o := &ownTest{own: own{instance: "me"}, up: time.Hour}
	slot, all := oneBan(-1)
	if o.begin(1); o.stores("before", slot, nil) {
		t.Error("what was there before is a twin's")
	}
	o.say(all, 0, o.up)
	said := o.sends(slot)
	o.stores("me", slot, said)
	answers := 0
	for range 100 {
		o.up += 3 * time.Second
		if !o.stores("other", slot, nil) {
			t.Fatal("no twin")
		}
		for _, s := range o.due() {
			answers++
			o.stores("me", s, o.sends(s))
		}
	}
	if answers < 5 || answers > 6 {
		t.Errorf("%d answers in 5 minutes", answers)
	}
	if o.stores("other", slot, said); len(o.due()) != 0 {
		t.Error("the same words are answered")
	}
}

// TestClock: what the hub's clock showed is the same moment of this host's uptime, whatever either clock
// is set to afterwards.
func TestClock(t *testing.T) {
	up, wall := time.Hour, time.Unix(1e9, 0)
	c := newClock(func() time.Duration { return up }, func() time.Time { return wall })
	was := func(what string, hub time.Time, want time.Duration) {
		t.Helper()
		if got := c.uptime(hub); got != want {
			t.Errorf("%s: %s, not %s", what, got, want)
		}
	}
	was("before the hub has answered", wall.Add(-time.Minute), time.Hour-time.Minute)
	hub := time.Unix(2e9, 0)
	c.set(hub)
	up += time.Minute
	wall = time.Unix(3e9, 0)
	was("when it answered", hub, time.Hour)
	was("before this host's boot", hub.Add(-2*time.Hour), -time.Hour)
	was("now", hub.Add(time.Minute), up)
	was("in the future", hub.Add(1000*time.Hour), up)
	if got := c.difference(); got != time.Unix(1e9, 0).Sub(hub) {
		t.Errorf("the clocks differ by %s", got)
	}
	c.set(hub.Add(-24 * time.Hour)) // the hub's clock is set back
	was("what it stamped before", hub, up)
	was("a minute ago", hub.Add(-24*time.Hour-time.Minute), up-time.Minute)
}
