package testfleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestRelayFlood: whoever has the credential of a relay cannot make so many readers that other hosts get none, and
// nothing of it is left when the relay is cut off.
func TestRelayFlood(t *testing.T) { testRelayFlood(t, testnats.Installed(t)) }

func testRelayFlood(t *testing.T, program testnats.Program) {
	t.Helper()
	h := StartForRelays(t, program, loopback)
	h.Creds("acme_pbx1")
	h.Creds("acme_pbx2")
	r := h.Relay("acme")
	r.Kill()
	a := connect(t, h.URL(), h.Creds("zeta_pbx1"))
	a.says("45.1.1.1")
	a.until("all is said", func() bool { return a.Health().Unsaid == 0 })

	thief, err := testnats.DialLeaf(t, fmt.Sprintf("127.0.0.1:%d", h.relays), h.Operator.TLS.Authority, r.Creds.Token, r.Creds.Seed, "relay-acme", "")
	h.must(err)
	inbox := keys.Inbox("acme_pbx1") + ".x"
	thief.Subscribe(inbox)
	answers, answered := 0, func(at string) (n int) {
		for _, m := range thief.Heard() {
			if m.Subject == at {
				n++
			}
		}
		return n
	}
	ask := func(name string) {
		form := fmt.Sprintf(`{"stream_name":%q,"config":{"name":%q,"durable_name":%q,"ack_policy":"none","deliver_policy":"all","mem_storage":true}}`, keys.Stream, name, name)
		thief.Publish(keys.APIPrefix+".CONSUMER.CREATE."+keys.Stream+"."+name, keys.Inbox("acme_pbx1")+".y", form)
	}
	// The hub answers one request after the other, and drops them if too many wait.
	await := func() {
		t.Helper()
		answers++
		thief.Publish(keys.APIPrefix+".STREAM.INFO."+keys.Stream, inbox, "")
		if !testpoll.Until(limit, func() bool { return answered(inbox) >= answers }) {
			t.Fatal("the hub does not answer the thief")
		}
	}
	const atOnce = 1000
	for i := range keys.MaxHosts + keys.MaxReaders {
		ask(fmt.Sprint("x", i))
		if i%atOnce == 0 {
			await()
		}
	}
	own := h.key("acme_pbx1")
	ask(own)
	// One that the hub ends by itself, if nobody waits for it: somebody does, for as long as the thief is there.
	awaited := h.key("acme_pbx2")
	api := keys.APIPrefix + ".CONSUMER."
	made, news := keys.Inbox("acme_pbx2")+".made", keys.Inbox("acme_pbx2")+".news"
	thief.Subscribe(made)
	thief.Subscribe(news)
	thief.Publish(api+"CREATE."+keys.Stream+"."+awaited, made, fmt.Sprintf(`{"stream_name":%q,"config":{"name":%q,"ack_policy":"none","deliver_policy":"new","inactive_threshold":360000000000000000,"max_waiting":500000000}}`, keys.Stream, awaited))
	if !testpoll.Until(limit, func() bool { return answered(made) > 0 }) {
		t.Fatal("the thief gets no reader by the name of a host of its site")
	}
	thief.Publish(api+"MSG.NEXT."+keys.Stream+"."+awaited, news, `{"batch":1000,"expires":360000000000000}`)
	await()

	z := connect(t, h.URL(), h.Creds("zeta_pbx2"))
	z.until("a host that comes hears the others", func() bool { return z.hears("zeta_pbx1", "45.1.1.1") })
	honest := []string{h.key("zeta_pbx1"), h.key("zeta_pbx2")}
	want := slices.Sorted(slices.Values(append(honest, own, awaited)))
	if got := h.readers(); !slices.Equal(got, want) {
		t.Errorf("%d readers: %.3q, want %q", len(got), got, want)
	}

	for name, form := range h.forms() {
		if form.Durable != "" || form.Inactive <= 0 || form.Inactive > 10*time.Minute || form.Waiting > 16 {
			t.Errorf("%s: %+v", name, form)
		}
	}
	h.Operator.CutRelay("acme")
	h.Reload(h.configuration(h.Place))
	z.says("45.1.1.2")
	a.until("hosts hear each other", func() bool { return a.hears("zeta_pbx2", "45.1.1.2") })
}

// key is the public key of a host.
func (h *Hub) key(name fleet.Name) string {
	host, _ := h.Operator.Active(name)
	return host.Key
}

// readerForm is what of a reader's form a thief would choose otherwise.
type readerForm struct {
	Durable  string        `json:"durable_name"`
	Inactive time.Duration `json:"inactive_threshold"`
	Waiting  int           `json:"max_waiting"`
}

// forms are those of all readers, by name.
func (h *Hub) forms() map[string]readerForm {
	h.t.Helper()
	u := testnats.NewUser(h.t, "root", h.Operator.Streams.Key, nil)
	conn := login(h.t, h.URL(), keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.Operator.TLS.Authority}, "_INBOX.root")
	defer conn.Close()
	all := make(map[string]readerForm)
	for _, name := range h.readers() {
		m, err := conn.Request("$JS.API.CONSUMER.INFO."+keys.Stream+"."+name, nil, limit)
		h.must(err)
		var answer struct{ Config readerForm }
		h.must(json.Unmarshal(m.Data, &answer))
		all[name] = answer.Config
	}
	return all
}

// readers are those of the stream of bans.
func (h *Hub) readers() (names []string) {
	h.t.Helper()
	u := testnats.NewUser(h.t, "root", h.Operator.Streams.Key, nil)
	conn := login(h.t, h.URL(), keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.Operator.TLS.Authority}, "_INBOX.root")
	defer conn.Close()
	m, err := conn.Request("$JS.API.CONSUMER.NAMES."+keys.Stream, nil, limit)
	h.must(err)
	var answer struct{ Consumers []string }
	h.must(json.Unmarshal(m.Data, &answer))
	return slices.Sorted(slices.Values(answer.Consumers))
}
