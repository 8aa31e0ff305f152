package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
)

// look is what the operator sees.
func (h *theHub) look() *Survey {
	h.t.Helper()
	creds, err := h.op.AdminCreds()
	h.must(err)
	s, err := Look(h.t.Context(), h.op.URLs(), creds.Text())
	h.must(err)
	return s
}

// of is the heartbeat of a host.
func (s *Survey) of(name fleet.Name) (h Heartbeat, ok bool) {
	for _, h := range s.Heartbeats {
		if h.Name == name {
			return h, true
		}
	}
	return h, false
}

// TestLook: the operator sees the last heartbeat of each host, whatever a host sends, since when a host has
// not read on, and what is wrong with the streams.
func TestLook(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	s := h.look()
	if !errors.Is(s.Streams[keys.Stream], ErrNoStream) || !errors.Is(s.Streams[keys.Hosts], ErrNoStream) || len(s.Heartbeats) > 0 {
		t.Errorf("without streams: %+v", s)
	}
	js := h.keeperStreams()
	odd := beatForm()
	odd.MaxAge = time.Hour
	if _, err := js.CreateStream(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	if s := h.look(); s.Streams[keys.Hosts] == nil || !strings.Contains(s.Streams[keys.Hosts].Error(), "max_age 1h") {
		t.Errorf("a stream in another form: %+v", s)
	}
	h.keep()
	until(t, "the streams are as they should be", func() bool { return len(h.look().Streams) == 0 })
	if s := h.look(); len(s.Heartbeats) > 0 {
		t.Errorf("nobody has said anything: %+v", s)
	}

	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	a.awaitSynced(1)
	a.Beat(beat.Encode(beat.Beat{Version: "1", Agent: true}))
	until(t, "the heartbeat is there", func() bool { _, ok := h.look().of("acme_pbx1"); return ok })
	a.Beat(beat.Encode(beat.Beat{Version: "2", Agent: true}))
	until(t, "the newest one is there", func() bool { got, _ := h.look().of("acme_pbx1"); return got.Beat.Version == "2" })

	evil := h.login(h.admit("evil_pbx1"), keys.APIPrefix)
	send := func(text string) Heartbeat {
		t.Helper()
		before, _ := h.look().of("evil_pbx1")
		h.must(evil.Publish(beat.Subject("evil_pbx1"), []byte(text)))
		h.must(evil.Flush())
		var got Heartbeat
		until(t, "it is stored", func() bool { got, _ = h.look().of("evil_pbx1"); return got.At.After(before.At) })
		return got
	}
	for _, text := range []string{"", "{", "[]", strings.Repeat("[", 4000), "\x1b[2J"} {
		if got := send(text); got.Odd == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	got := send("{\"version\":\"\\u001b[31m\\u202e\",\"problems\":[\"\\u0007\",\"no-drop\"],\"sequence\":18446744073709551615,\"x\":1}")
	if got.Odd != nil || got.Beat.Version != "?[31m???" || len(got.Beat.Problems) != 1 || !got.Missed.IsZero() {
		t.Errorf("%+v", got)
	}
	at := got.At
	h.must(evil.Publish(beat.Subject("evil_pbx1"), []byte(strings.Repeat(" ", 3*beat.MaxMessage)+"{}")))
	h.must(evil.Flush())
	if got, _ := h.look().of("evil_pbx1"); !got.At.Equal(at) {
		t.Errorf("a long heartbeat is stored: %+v", got)
	}

	t.Log("a host that reads nothing")
	b.awaitSynced(1)
	a.says("45.1.2.3")
	a.awaitSaid()
	first := h.look()
	send(`{"agent":true,"sequence":0}`)
	if got, _ := h.look().of("evil_pbx1"); got.Missed.IsZero() || got.Missed.After(got.At) {
		t.Errorf("it has not read: %+v", got)
	}
	send(fmt.Sprintf(`{"agent":true,"sequence":%d}`, first.Sequence))
	if got, _ := h.look().of("evil_pbx1"); first.Sequence == 0 || !got.Missed.IsZero() {
		t.Errorf("it has read all: %+v of %d", got, first.Sequence)
	}
	if names, err := consumers(h); err != nil || len(names) > 0 {
		t.Errorf("consumers are left: %q, %v", names, err)
	}
}

// consumers are those of the stream of heartbeats.
func consumers(h *theHub) (names []string, err error) {
	creds, err := h.op.AdminCreds()
	if err != nil {
		return nil, err
	}
	nc := h.login(creds.Text(), serverAPI)
	m, err := nc.Request(serverAPI+".STREAM.INFO."+keys.Hosts, nil, limit)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(m.Data), `"consumer_count":0`) {
		names = append(names, string(m.Data))
	}
	return names, nil
}

// almighty is a user who may do everything in the account of the streams.
func (h *theHub) almighty() *nats.Conn {
	h.t.Helper()
	u := testnats.NewUser(h.t, "root", h.op.Streams.Key, nil)
	return h.login(keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.op.TLS.Authority, Name: "root", Key: u.Key}.Text(), serverAPI)
}

// BenchmarkLook measures how long the operator waits for the heartbeats of 5,000 hosts.
func BenchmarkLook(b *testing.B) {
	const hosts = 5000
	h := startHub(b)
	js := h.keeperStreams()
	for _, form := range forms() {
		if _, err := js.CreateStream(b.Context(), form); err != nil {
			b.Fatal(err)
		}
	}
	text := beat.Encode(beat.Beat{
		Version: "1.4.0", Agent: true, Protected: true, Sets: "0c810c810c810c81", Entries: 71642, Uptime: 1e6, Document: 1764500000, Sequence: 88121,
		Lists: map[string]beat.List{"voipbl": {Digest: "0c810c810c810c81", Age: 7200}},
	})
	writer := h.almighty()
	for i := range hosts {
		h.must(writer.Publish(fmt.Sprintf("v1.host.acme_pbx%d", i), text))
	}
	h.must(writer.Flush())
	until(b, "all are stored", func() bool { return len(h.look().Heartbeats) == hosts })
	b.ReportAllocs()
	for b.Loop() {
		if n := len(h.look().Heartbeats); n != hosts {
			b.Fatal(n)
		}
	}
}

// BenchmarkDecode measures what reading one heartbeat costs.
func BenchmarkDecode(b *testing.B) {
	text := beat.Encode(beat.Beat{
		Version: "1.4.0", Agent: true, Protected: true, Sets: "0c810c810c810c81", Entries: 71642, Uptime: 1e6, Document: 1764500000, Sequence: 88121,
		Lists: map[string]beat.List{"voipbl": {Digest: "0c810c810c810c81", Age: 7200}},
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := beat.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
