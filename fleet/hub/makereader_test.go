package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// TestReaderForms: whatever a thief of a host's key asks for, the reader has the form of every host's, and the
// server lives: nats-server 2.9 would end for the first of these, and take 4 GB for the second.
func TestReaderForms(t *testing.T) {
	h := startKeptHub(t)
	h.join("acme_pbx1").awaitSynced(1) // there are streams
	creds := h.admit("evil_pbx1")
	c, err := keys.ParseCreds(creds)
	h.must(err)
	nc := h.login(creds, keys.APIPrefix)
	ask := func(form string) (code int, config map[string]any) {
		t.Helper()
		m, err := nc.Request(keys.APIPrefix+".CONSUMER.CREATE."+keys.Stream+"."+c.Consumer(), []byte(form), limit)
		h.must(err)
		var answer struct {
			Error  struct{ Code int }
			Config map[string]any
		}
		h.must(json.Unmarshal(m.Data, &answer))
		return answer.Error.Code, answer.Config
	}
	wanted := readerForm(c.Consumer(), 0)
	text, err := json.Marshal(wanted)
	h.must(err)
	var want map[string]any
	h.must(json.Unmarshal(text, &want))
	for _, other := range []string{
		`"max_waiting":9000000000000000000`, `"max_waiting":500000000`, `"durable_name":"x"`, `"inactive_threshold":360000000000000000`,
		`"deliver_subject":"v1.doc"`, `"filter_subject":"v1.doc"`, `"name":"other"`, `"ack_policy":"explicit","max_ack_pending":1000000000`,
		`"backoff":[1,2],"max_deliver":9`, `"metadata":{"a":"` + strings.Repeat("x", 10000) + `"}`, `"num_replicas":5`,
	} {
		code, config := ask(`{"stream_name":"HOSTS","action":"update","config":{` + other + `}}`)
		for key, value := range want {
			if config[key] != value {
				t.Errorf("%.60s: %d: %s is %v, want %v", other, code, key, config[key], value)
			}
		}
		for _, key := range []string{"durable_name", "deliver_subject", "filter_subject", "metadata", "backoff"} {
			if config[key] != nil {
				t.Errorf("%.60s: %s is %v", other, key, config[key])
			}
		}
		if _, err := nc.Request(keys.APIPrefix+".CONSUMER.DELETE."+keys.Stream+"."+c.Consumer(), nil, limit); err != nil {
			t.Fatal(err)
		}
	}
	for form, want := range map[string]int{"": 400, "[": 400, `{"config":{"opt_start_seq":-1}}`: 400, `{"config":{"opt_start_seq":"x"}}`: 400} {
		if code, _ := ask(form); code != want {
			t.Errorf("%q: %d, want %d", form, code, want)
		}
	}
}

// TestReaderFlood: one host that asks for readers without an end keeps no other one from its own.
func TestReaderFlood(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	a.says("45.1.1.1")
	creds := h.admit("evil_pbx1")
	c, err := keys.ParseCreds(creds)
	h.must(err)
	nc := h.login(creds, keys.APIPrefix)
	text, err := json.Marshal(readerRequest{keys.Stream, readerForm(c.Consumer(), 0), "create"})
	h.must(err)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for range 50_000 {
			if nc.PublishRequest(keys.APIPrefix+".CONSUMER.CREATE."+keys.Stream+"."+c.Consumer(), keys.Inbox("evil_pbx1")+".x", text) != nil {
				return
			}
		}
	}()
	for i := range 5 {
		h.join(fleet.Name(fmt.Sprintf("zeta_pbx%d", i))).awaitHears("acme_pbx1", "45.1.1.1")
	}
	<-ended
}

// TestKeeperLate: a host that asks for its reader before there is a keeper gets it soon after.
func TestKeeperLate(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for _, want := range forms() { // as a keeper has left them
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := h.keeperStreams().CreateStream(ctx, want)
		cancel()
		h.must(err)
	}
	a := h.join("acme_pbx1")
	until(t, "it asks for a reader", func() bool { return a.Health().Connected.IsZero() == false })
	h.keep()
	a.awaitSynced(1)
}

// TestNamesOfMessages: what a host's messages call themselves takes no memory for long.
func TestNamesOfMessages(t *testing.T) {
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	a.awaitSynced(1)
	nc := h.login(h.admit("evil_pbx1"), keys.APIPrefix)
	before, _ := h.Memory()
	long := strings.Repeat("x", 15<<10)
	for n := range 30_000 { // 450 MB
		m := nats.NewMsg(fleet.Subject("evil_pbx1", n%fleet.Slots))
		m.Header.Set("Nats-Msg-Id", fmt.Sprint(n, long))
		m.Data = []byte(`{"bans":[]}`)
		h.must(nc.PublishMsg(m))
		if n%200 == 0 {
			h.must(nc.FlushTimeout(limit))
		}
	}
	h.must(nc.FlushTimeout(limit))
	if now, _ := h.Memory(); now-before > 250 {
		t.Errorf("%.0f MB, and %.0f before", now, before)
	}
}
