package hub

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestFlood: a host that says its slots again and again delays nobody, and costs the others little: what
// it says is replaced before it is read.
func TestFlood(t *testing.T) {
	h := startKeptHub(t)
	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	b.awaitSynced(1)
	a.awaitSynced(1)
	nc := h.login(h.admit("evil_pbx1"), keys.APIPrefix)
	sent := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		n := 0
		var said []fleet.Said
		for _, a := range addresses(100) {
			said = append(said, saidOf(a, time.Hour))
		}
		slots := fleet.Divide(said)
		for ctx.Err() == nil {
			for slot := range fleet.Slots {
				text, _ := fleet.Encode(fmt.Sprint(n), slots[slot], 0)
				nc.Publish(fleet.Subject("evil_pbx1", slot), text)
				n++
			}
			nc.Flush()
		}
		close(sent)
	}()
	until(t, "the flood has come", func() bool { return len(b.hears("evil_pbx1")) == 100 })
	began := time.Now()
	var before int
	b.look(func() { before = b.took })
	for i := range 20 {
		a.says(addresses(101 + i)...)
		b.awaitHears("acme_pbx1", addresses(101+i)...)
	}
	took := time.Since(began)
	cancel()
	<-sent
	var read int
	b.look(func() { read = b.took - before })
	// A round reads each slot once, and is followed by a breath; an answer of a's is in it.
	most := (int(took/breather(fleet.Slots)) + 2) * (2*fleet.Slots + 2)
	if read > most {
		t.Errorf("%d messages were read in %s, more than %d", read, took, most)
	}
}

// TestUnread: while nobody takes events, nothing more is read from the hub; afterwards nothing is missing.
func TestUnread(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	b.awaitSynced(1)
	b.held.Lock()
	a.says("45.1.1.1")
	a.awaitSaid()
	until(t, "b has read a message", func() bool { return b.Health().Sequence > 0 })
	stuck := b.Health().Sequence
	for i := range 40 {
		a.says(addresses(50 + i)...)
		a.awaitSaid()
	}
	// One message waits in the test, another one to be taken.
	if got := b.Health().Sequence; got > stuck+2 {
		t.Errorf("message %d is read, and nobody took %d", got, stuck)
	}
	b.held.Unlock()
	b.awaitHears("acme_pbx1", addresses(89)...)
}

// TestNothingLeft: a connection that has ended leaves no goroutine.
func TestNothingLeft(t *testing.T) {
	h := startHub(t)
	log := h.keep()
	until(t, "the keeper works", func() bool { return strings.Contains(log.String(), "is made") })
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for range 3 {
		o := h.connect(h.admit("acme_pbx1"), "boot 1")
		o.says("45.1.1.1")
		o.awaitSynced(1)
		o.end()
	}
}

// TestClockSet: a message whose time is not the hub's by what the hub has said makes the host ask again.
func TestClockSet(t *testing.T) {
	var s session
	up := time.Hour
	s.Conn = &Conn{clock: newClock(func() time.Duration { return up }, time.Now)}
	hub := time.Unix(2e9, 0)
	s.clock.set(hub)
	s.attached, s.trusts = up, nextTrust(0, false)
	at := func(hub time.Time) message { return message{end: end{at: hub}} }
	for _, test := range []struct {
		after, off time.Duration
		again      bool
	}{
		{time.Second, time.Hour, false}, // it has been asked a moment ago
		{2 * time.Minute, 2 * time.Second, false},
		{2 * time.Minute, -2 * time.Second, false},
		{2 * time.Minute, time.Minute, true},
		{2 * time.Minute, -time.Minute, true},
	} {
		up = s.attached + test.after
		if got := s.checkClock(at(hub.Add(test.after+test.off))) != nil; got != test.again {
			t.Errorf("%s after, off by %s: %t", test.after, test.off, got)
		}
	}
}

// TestClockTrusted: a host that has doubted the hub's clock for nothing, because messages are late, does so
// less and less often, and not when all others do.
func TestClockTrusted(t *testing.T) {
	trust, least := nextTrust(0, false), clockEvery
	for range 20 {
		if trust < least || trust >= 2*longestTrust {
			t.Fatalf("%s, not at least %s", trust, least)
		}
		least = min(2*trust, longestTrust/2)
		trust = nextTrust(trust, true)
	}
	if trust < longestTrust/2 {
		t.Errorf("%s after 20 times", trust)
	}
	if again := nextTrust(trust, false); again >= 2*clockEvery || again == nextTrust(trust, false) {
		t.Errorf("%s after the clock was set", again)
	}
	now := time.Unix(2e9, 0)
	c := newClock(func() time.Duration { return time.Hour }, time.Now)
	c.set(now)
	for _, by := range []time.Duration{0, time.Minute, -2 * time.Minute} {
		now = now.Add(by)
		if moved := c.set(now); moved != by.Abs() {
			t.Errorf("moved by %s: %s", by, moved)
		}
	}
}

// TestKeeperAnew: the keeper makes the stream whenever it is not there, and says so.
func TestKeeperAnew(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	o := h.join("acme_pbx1")
	until(t, "there is no stream", func() bool { return o.Health().Error != "" })
	log := h.keep()
	o.awaitSynced(1)
	o.says("45.1.1.1")
	o.awaitSaid()
	h.Kill()
	h.must(os.RemoveAll(h.Store))
	h.Run()
	until(t, "it is a new stream", func() (is bool) { o.look(func() { is = o.anew == 1 && o.synced > 1 }); return is })
	o.awaitSaid()
	o.awaitHears("acme_pbx1", "45.1.1.1")
	if got := log.String(); got == "" {
		t.Error("nothing is logged")
	}
}

// BenchmarkBan is how long a ban takes from one host to another.
func BenchmarkBan(b *testing.B) {
	h := startKeptHub(b)
	one, other := h.join("acme_pbx1"), h.join("zeta_pbx1")
	one.awaitSynced(1)
	other.awaitSynced(1)
	all := addresses(2)
	var longest time.Duration
	i := 0
	for b.Loop() {
		began := time.Now()
		one.says(all[i%2])
		for {
			if got := other.hears("acme_pbx1"); len(got) == 1 && got[0] == all[i%2] {
				break
			}
		}
		longest = max(longest, time.Since(began))
		i++
	}
	b.ReportMetric(float64(longest)/1e6, "ms-longest")
}
