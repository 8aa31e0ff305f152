package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestStays: a reader that the hub ends by itself is left alone, such as that of every host.
func TestStays(t *testing.T) {
	for _, c := range []struct {
		is   jetstream.ConsumerConfig
		want bool
	}{
		{jetstream.ConsumerConfig{Name: "a", InactiveThreshold: inactive}, false},
		{jetstream.ConsumerConfig{Name: "a", InactiveThreshold: time.Second, FilterSubject: "v1.doc"}, false},
		{jetstream.ConsumerConfig{Name: "a"}, false}, // after the server's own time, which is shorter
		{jetstream.ConsumerConfig{Name: "a", InactiveThreshold: inactive + 1}, true},
		{jetstream.ConsumerConfig{Name: "a", InactiveThreshold: -1}, true},
		{jetstream.ConsumerConfig{Name: "a", Durable: "a", InactiveThreshold: inactive}, true},
		{jetstream.ConsumerConfig{Name: "a", DeliverSubject: "v1.doc", InactiveThreshold: inactive}, true},
	} {
		if got := stays(c.is); got != c.want {
			t.Errorf("%+v: %t", c.is, got)
		}
	}
}

// TestEndedNote: what is noted is read again, and no other description.
func TestEndedNote(t *testing.T) {
	for _, c := range []struct {
		text string
		want Ended
	}{
		{form().Description, Ended{}},
		{form().Description + " " + endedNote + "3 2026-11-30T12:00:00Z UKEY", Ended{3, "UKEY", time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}},
		{endedNote + "x 2026-11-30T12:00:00Z UKEY", Ended{}},
		{endedNote + "3 yesterday UKEY", Ended{}},
		{endedNote + "3 2026-11-30T12:00:00Z", Ended{}},
		{"", Ended{}},
	} {
		if got := endedOf(c.text); got != c.want {
			t.Errorf("%q: %+v", c.text, got)
		}
	}
}

// steal has somebody who has the credentials of a host make its reader in a form that stays. It returns its name.
func (h *theHub) steal(creds []byte, form map[string]any) string {
	h.t.Helper()
	c, err := keys.ParseCreds(creds)
	h.must(err)
	form["name"], form["ack_policy"], form["deliver_policy"] = c.Consumer(), "none", "all"
	if form["durable_name"] != nil {
		form["durable_name"] = c.Consumer()
	}
	text, err := json.Marshal(map[string]any{"stream_name": keys.Stream, "config": form})
	h.must(err)
	nc := h.login(creds, keys.APIPrefix)
	defer nc.Close()
	m, err := nc.Request(keys.APIPrefix+".CONSUMER.CREATE."+keys.Stream+"."+c.Consumer(), text, limit)
	h.must(err)
	if strings.Contains(string(m.Data), `"error"`) {
		h.t.Fatalf("%v: %s", form, m.Data)
	}
	return c.Consumer()
}

// TestReadersEnded: the keeper ends readers that would stay, some at each look, and none of a host. It says so once, and
// to the operator.
func TestReadersEnded(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	creds, err := h.op.KeeperCreds()
	h.must(err)
	m, err := memberOf(creds.Text(), serverAPI)
	h.must(err)
	log := new(journal)
	k := newKeeper(KeeperOptions{Log: slog.New(slog.NewTextHandler(log, nil))}, m)
	js := h.keeperStreams()
	h.must(k.look(t.Context(), js))

	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	a.awaitSynced(1)
	b.awaitSynced(1)
	readers := func() (all map[string]time.Time) {
		t.Helper()
		stream, err := js.Stream(t.Context(), keys.Stream)
		h.must(err)
		all = make(map[string]time.Time)
		list := stream.ListConsumers(t.Context())
		for info := range list.Info() {
			all[info.Name] = info.Created
		}
		h.must(list.Err())
		return all
	}
	honest := readers()
	if len(honest) != 2 {
		t.Fatalf("%v", honest)
	}
	end := func() {
		t.Helper()
		_, err := k.endReaders(t.Context(), js)
		h.must(err)
	}
	end()
	if text := log.String(); strings.Contains(text, "ended") || len(readers()) != 2 {
		t.Fatalf("without any thief: %s, %v", text, readers())
	}
	const thieves = 12
	k.most = 5
	for i := range thieves {
		form := []map[string]any{
			{"durable_name": ""},
			{"inactive_threshold": 1000 * time.Hour},
			{"inactive_threshold": time.Minute, "deliver_subject": "$JS.API.STREAM.INFO.OTHER"},
		}[i%3]
		h.steal(h.admit(fleet.Name(fmt.Sprintf("beta_pbx%d", i))), form)
	}
	for left := thieves; left > 0; {
		end()
		left = max(0, left-k.most)
		if got := len(readers()) - len(honest); got != left {
			t.Fatalf("%d are left, want %d", got, left)
		}
	}
	end()
	for name, created := range readers() {
		if !honest[name].Equal(created) {
			t.Errorf("%s is of %s, and was of %s", name, created, honest[name])
		}
	}
	if text := log.String(); strings.Count(text, "are ended") != 1 {
		t.Errorf("logged: %s", text)
	}
	admin, err := h.op.AdminCreds()
	h.must(err)
	seen, err := Look(t.Context(), h.op.URLs(), admin.Text())
	if err != nil || seen.Ended.Readers != thieves%k.most || len(seen.Streams) > 0 || !strings.HasPrefix(h.op.NameOf(seen.Ended.Key), "beta_") {
		t.Errorf("the operator sees %+v, %v", seen, err)
	}
	a.says("45.1.1.1")
	b.awaitHears("acme_pbx1", "45.1.1.1")
	for _, o := range []*host{a, b} {
		o.look(func() {
			if o.anew > 0 || len(o.lost) > 0 {
				t.Errorf("a host was hindered: %+v", o.lost)
			}
		})
	}
}

// TestReaderTaken: a host of which somebody ends the reader again and again, while another one speaks, makes another
// one by itself and misses nothing.
func TestReaderTaken(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	a, b := h.join("acme_pbx1"), h.join("zeta_pbx1")
	a.awaitSynced(1)
	js, all := h.keeperStreams(), addresses(100)
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
