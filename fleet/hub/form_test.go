package hub

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestForm: a stream in another form is not believed; the keeper repairs what can be changed, and else
// says what to do.
func TestForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change     func(*jetstream.StreamConfig)
		says       string
		repairable bool
		believed   bool // by readers
	}{
		"history":    {func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, "max_msgs_per_subject 5", true, false},
		"subjects":   {func(c *jetstream.StreamConfig) { c.Subjects = []string{"v1.>"} }, "subjects v1.>", true, false},
		"age":        {func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "max_age 1h", true, false},
		"size":       {func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, "max_bytes 1048576", true, false},
		"answers":    {func(c *jetstream.StreamConfig) { c.NoAck = false }, "acknowledges", true, false},
		"rollup":     {func(c *jetstream.StreamConfig) { c.AllowRollup, c.DenyPurge = true, false }, "allow_rollup_hdrs", true, false},
		"new":        {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew }, "discard new", true, false},
		"purge":      {func(c *jetstream.StreamConfig) { c.DenyPurge = false }, "deny_purge", true, true},
		"few hosts":  {func(c *jetstream.StreamConfig) { c.MaxConsumers = 100 }, "max_consumers 100", false, true},
		"work queue": {func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention WorkQueue", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t)
			c := form()
			test.change(&c)
			js := h.keeperStreams()
			if _, err := js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			_, err := makeReaders(t.Context(), h.keeperLogin()) // before the keeper has looked at the streams
			h.must(err)
			o := h.join("acme_pbx1")
			if test.believed {
				o.awaitSynced(1)
			} else {
				until(t, "it is told", func() bool { return strings.Contains(o.Health().Error, test.says) })
			}
			log := h.keep()
			until(t, "the keeper says so", func() bool { return strings.Contains(log.String(), test.says) })
			if !test.repairable {
				until(t, "the keeper says what to do", func() bool { return strings.Contains(log.String(), "delete the folder") })
				return
			}
			o.awaitSynced(1)
			o.says("45.9.9.9")
			o.awaitSaid()
			stream, err := js.Stream(t.Context(), keys.Stream)
			if err != nil {
				t.Fatal(err)
			}
			if is := keeps(form(), stream.CachedInfo().Config); len(is) > 0 {
				t.Errorf("%v", is)
			}
			if strings.Contains(log.String(), "WARN msg=\"the streams of the fleet cannot") {
				t.Error(log)
			}
		})
	}
}

// TestGarbage: what is no message of this version is counted, and everything else is read.
func TestGarbage(t *testing.T) {
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	a.says("45.1.1.1")
	a.awaitSaid()
	b := h.join("zeta_pbx1")
	b.awaitHears("acme_pbx1", "45.1.1.1")
	creds := h.admit("evil_pbx1")
	evil := h.login(creds, keys.APIPrefix)
	wrong := func(slot int, text string, header nats.Header) {
		t.Helper()
		h.must(evil.PublishMsg(&nats.Msg{Subject: fleet.Subject("evil_pbx1", slot), Data: []byte(text), Header: header}))
	}
	odd, err := json.Marshal(map[string]any{"instance": "x", "bans": []map[string]any{
		{"p": "45.1.2.3", "age": -1, "left": 5}, {"p": "10.0.0.0/8", "left": 5}, {"p": 7}, {"p": "127.0.0.1", "left": 1},
	}, "version": 7})
	h.must(err)
	texts := []string{"", "{", "null", "[]", `{"bans":7}`, strings.Repeat("[", 8000), string(odd), "\x00\xff", `{"instance":"x"}`}
	for slot, text := range texts {
		wrong(slot, text, nil)
	}
	// Headers like those of the server's own statuses end nobody's reading.
	for i, status := range []string{"404", "408", "409", "503", "100"} {
		wrong(len(texts)+i, `{"instance":"x","bans":[]}`, nats.Header{"Status": {status}, "Description": {"Consumer Deleted"}})
	}
	h.must(evil.Flush())
	_, h2 := oneBan(time.Hour)
	for slot, said := range h2 {
		if len(said) > 0 {
			text, _ := fleet.Encode("x", said, 0)
			h.must(evil.Publish(fleet.Subject("evil_pbx1", slot), text))
		}
	}
	b.awaitHears("evil_pbx1", "45.1.2.3")
	a.says("45.1.1.2")
	b.awaitHears("acme_pbx1", "45.1.1.2")
	if n := b.Health().Ignored; n < 4 {
		t.Errorf("%d were ignored", n)
	}
	b.look(func() {
		if len(b.lost) > 0 || b.anew > 0 || b.synced != 1 {
			t.Errorf("%+v, %d new streams, %d times all", b.lost, b.anew, b.synced)
		}
	})
}

// TestOwnGarbage: what cannot be read in a slot of this host is replaced by what it says.
func TestOwnGarbage(t *testing.T) {
	h := startKeptHub(t)
	creds := h.admit("acme_pbx1")
	a := h.connect(creds, "boot 1")
	slot, all := oneBan(time.Hour)
	a.Say(all)
	a.awaitSaid()
	b := h.join("zeta_pbx1")
	b.awaitHears("acme_pbx1", "45.1.2.3")
	thief := h.login(creds, keys.APIPrefix)
	for _, text := range []string{"garbage", `{"instance":"boot 7","bans":[]}`} {
		before := a.Health().Sequence
		h.must(thief.Publish(fleet.Subject("acme_pbx1", slot), []byte(text)))
		h.must(thief.Flush())
		until(t, "it is read", func() bool { return a.Health().Sequence > before })
		if a.Health().Twin.IsZero() {
			t.Errorf("%s: it is not told", text)
		}
		if text == "garbage" {
			a.awaitSaid()
		}
	}
}

// TestOwnForms: each stream, as the keeper makes it, is as it should be.
func TestOwnForms(t *testing.T) {
	for _, want := range forms() {
		if is := keeps(want, want); is != nil {
			t.Errorf("%s: %q", want.Name, is)
		}
		odd := want
		odd.MaxBytes, odd.MaxMsgs = 1<<20, 7
		if is := keeps(want, odd); len(is) < 2 {
			t.Errorf("%s with other bounds: %q", want.Name, is)
		}
	}
}
