package testfleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// limit is for a busy machine.
const limit = time.Minute

// host is a host of a fleet that keeps what it hears.
type host struct {
	*hub.Conn
	t testing.TB

	mu    sync.Mutex
	heard map[string]bool // NAME ADDRESS
}

// connect connects a host until the test ends.
func connect(t testing.TB, url string, creds []byte) *host {
	t.Helper()
	return connectByOneOf(t, []string{url}, creds)
}

// connectByOneOf is connect for a host that has several URLs of the hub.
func connectByOneOf(t testing.TB, urls []string, creds []byte) *host {
	t.Helper()
	conn, err := hub.New(hub.Options{URLs: urls, Creds: creds, Instance: "boot 1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Conn: conn, t: t, heard: map[string]bool{}}
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = conn.Run(ctx) }) // it ends with ctx
	running.Go(func() {
		for {
			select {
			case e := <-conn.Events():
				h.take(e)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		end()
		running.Wait()
	})
	return h
}

func (h *host) take(e hub.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slot, ok := e.(hub.Slot); ok {
		for _, said := range slot.Said {
			h.heard[slot.Name.String()+" "+said.Addr.String()] = true
		}
	}
}

func (h *host) hears(name, addr string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard[name+" "+addr]
}

func (h *host) says(addr string) {
	h.Say(fleet.Divide([]fleet.Said{{Addr: netip.MustParseAddr(addr), Left: time.Hour, Why: "fail2ban asterisk"}}))
}

func (h *host) until(what string, so func() bool) {
	h.t.Helper()
	if !testpoll.Until(limit, so) {
		h.t.Fatalf("in vain was waited that %s: %+v", what, h.Health())
	}
}

// login connects a user with a server.
func login(t testing.TB, url string, c keys.Creds, inbox string) *nats.Conn {
	t.Helper()
	conn, err := tryLogin(url, c, inbox)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func tryLogin(url string, c keys.Creds, inbox string) (*nats.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	return nats.Connect(url, nats.UserJWTAndSeed(c.Token, c.Seed), nats.CustomInboxPrefix(inbox), nats.Timeout(limit),
		nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

// TestRelay: hosts behind a relay and hosts at the hub hear each other, over a death of each server.
func TestRelay(t *testing.T) { testRelay(t, testnats.Installed(t), true) }

// TestRelayRights: what somebody can do who has broken into a relay: what its hosts could do, and no more.
func TestRelayRights(t *testing.T) { testRelayRights(t, testnats.Installed(t)) }

// TestDebian13Relay: the same by the server of Debian 13.
func TestDebian13Relay(t *testing.T) {
	program := testnats.Debian13(t)
	t.Run("hosts", func(t *testing.T) { testRelay(t, program, false) })
	t.Run("rights", func(t *testing.T) { testRelayRights(t, program) })
	t.Run("flood", func(t *testing.T) { testRelayFlood(t, program) })
}

var loopback = netip.MustParseAddr("127.0.0.1")

func testRelay(t *testing.T, program testnats.Program, deaths bool) {
	t.Helper()
	h := StartForRelays(t, program, loopback)
	near, twin, both, away := h.Creds("acme_pbx1"), h.Creds("acme_pbx2"), h.Creds("acme_pbx3"), h.Creds("zeta_pbx2")
	r, other := h.Relay("acme"), h.Relay("zeta")
	a, b, z := connect(t, r.URL(), near), connect(t, r.URL(), twin), connect(t, h.URL(), h.Creds("zeta_pbx1"))
	a.says("45.1.1.1")
	z.says("45.1.1.2")
	z.until("the hub's host hears the relay's", func() bool { return z.hears("acme_pbx1", "45.1.1.1") })
	a.until("the relay's host hears the hub's", func() bool { return a.hears("zeta_pbx1", "45.1.1.2") })
	b.until("hosts of a relay hear each other", func() bool { return b.hears("acme_pbx1", "45.1.1.1") })

	r.Kill()
	a.says("45.1.1.3")
	z.says("45.1.1.4")
	r.Run()
	z.until("the relay was killed, and its host is heard", func() bool { return z.hears("acme_pbx1", "45.1.1.3") })
	a.until("the relay was killed, and its host hears", func() bool { return a.hears("zeta_pbx1", "45.1.1.4") })

	if deaths {
		// Hosts behind a relay are not cut off then: they find out when the hub has been silent for long enough.
		z.until("all is said", func() bool { return z.Health().Unsaid == 0 && a.Health().Unsaid == 0 })
		h.Lose()
		a.says("45.2.1.1")
		z.says("45.2.1.2")
		h.Run()
		z.until("the hub has lost its store, and the relay's host is heard", func() bool { return z.hears("acme_pbx1", "45.2.1.1") })
		b.until("the hub has lost its store, and the relay's host hears", func() bool { return b.hears("zeta_pbx1", "45.2.1.2") })
	}

	// The hub does not know who is behind a relay, so it cuts off one that lets a revoked host pass, whatever the
	// relay does. With its new files, the relay has its other hosts take part again.
	far := connect(t, other.URL(), away)
	far.says("45.3.1.1")
	z.until("the host of another relay is heard", func() bool { return z.hears("zeta_pbx2", "45.3.1.1") })
	h.Revoke("acme_pbx1")
	z.until("one of the relays is cut off", func() bool { return h.relayed() == 1 })
	a.says("45.3.2.1")
	b.says("45.3.2.2")
	a.until("the relay has it", func() bool { return a.Health().Unsaid > 0 && b.Health().Unsaid > 0 })
	// A host that knows the hub, too, takes part without the relay, which still admits it.
	c := connectByOneOf(t, []string{r.URL(), h.URL()}, both)
	c.says("45.3.2.4")
	z.until("the relay is cut off, and a host that knows the hub is heard", func() bool { return z.hears("acme_pbx3", "45.3.2.4") })
	if at := c.Health().Hub; at != h.URL() {
		t.Errorf("it is connected with %s", at)
	}
	far.says("45.3.2.3")
	z.until("the other relay is not cut off", func() bool { return z.hears("zeta_pbx2", "45.3.2.3") })
	r.Refresh()
	// Hosts that are connected notice only half a minute later that they hear nothing since.
	z = connect(t, h.URL(), h.Creds("zeta_pbx3"))
	z.until("the relay's other host is heard", func() bool { return z.hears("acme_pbx2", "45.3.2.2") })
	a.until("a revoked host is refused by the relay", func() bool { return a.Health().Refused })
	if z.hears("acme_pbx1", "45.3.2.1") {
		t.Error("a revoked host is heard by a relay")
	}
}

// relayed is how many relays are connected with the hub.
func (h *Hub) relayed() int {
	h.t.Helper()
	u := testnats.NewUser(h.t, "asker", h.Operator.System.Key, nil)
	conn := login(h.t, h.URL(), keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.Operator.TLS.Authority}, "_INBOX.asker")
	defer conn.Close()
	m, err := conn.Request("$SYS.REQ.SERVER.PING.LEAFZ", nil, limit)
	h.must(err)
	var answer struct{ Data struct{ Leafnodes int } }
	h.must(json.Unmarshal(m.Data, &answer))
	return answer.Data.Leafnodes
}

func testRelayRights(t *testing.T, program testnats.Program) {
	t.Helper()
	h := StartForRelays(t, program, loopback)
	near, far := h.Creds("acme_pbx1"), h.Creds("zeta_pbx1")
	h.Creds("acme_pbx2") // it never connects, so it does not take back what others say by its name
	r := h.Relay("acme")
	a, z := connect(t, r.URL(), near), connect(t, h.URL(), far)
	a.says("45.1.1.1")
	z.says("45.1.1.2")
	z.until("it hears", func() bool { return z.hears("acme_pbx1", "45.1.1.1") })
	a.until("it hears", func() bool { return a.hears("zeta_pbx1", "45.1.1.2") })
	own, err := keys.ParseCreds(near)
	h.must(err)
	victim, err := keys.ParseCreds(far)
	h.must(err)
	forged := func(addr string) []byte {
		text, _ := fleet.Encode("forged", []fleet.Said{{Addr: netip.MustParseAddr(addr), Left: time.Hour, Why: "x"}}, 0)
		return text
	}
	slot := func(name, addr string) string {
		return fleet.Subject(fleet.Name(name), fleet.SlotOf(netip.MustParseAddr(addr)))
	}

	mine := keys.Inbox("acme_pbx1") + ".x"
	// The credential is for relays. Whoever has it can run one in which it may do all: what passes is what the hub
	// lets pass.
	if conn, err := tryLogin(h.URL(), r.Creds, keys.Inbox("acme_pbx1")); err == nil {
		conn.Close()
		t.Error("the hub admits a relay's credential as that of a host")
	}
	list := link.ListKey("https://lists.example.net/a")
	root := login(t, r.URL(), h.almighty(), "_INBOX.root")
	listening, err := root.SubscribeSync("v1.>")
	h.must(err)
	others, err := root.SubscribeSync(keys.Inbox("zeta_pbx1") + ".>")
	h.must(err)
	requests, err := root.SubscribeSync("fleet.api.>")
	h.must(err)
	h.must(root.Flush())
	h.must(root.Publish(slot("zeta_pbx1", "45.66.6.6"), forged("45.66.6.6")))
	h.must(root.Publish(slot("beta_pbx1", "45.66.6.7"), forged("45.66.6.7")))
	for _, subject := range []string{"v1.doc", fleet.ListSubject(list), fleet.CopySubject(list)} { // no host here is a mirror
		h.must(root.Publish(subject, []byte("{}")))
	}
	for _, request := range []string{
		"STREAM.PURGE.FLEET", "STREAM.DELETE.FLEET", "CONSUMER.DELETE.FLEET." + victim.Consumer(), "CONSUMER.MSG.NEXT.FLEET." + victim.Consumer(),
	} {
		h.must(root.PublishRequest(keys.APIPrefix+"."+request, mine, nil))
		h.must(root.PublishRequest("$JS.API."+request, mine, nil))
	}
	h.must(root.Flush())
	// What follows by the same connection is heard after all that.
	const addr = "45.7.7.1"
	h.must(root.Publish(slot("acme_pbx2", addr), forged(addr)))
	z.until("it speaks for its own host", func() bool { return z.hears("acme_pbx2", addr) })
	if z.hears("zeta_pbx1", "45.66.6.6") || z.hears("beta_pbx1", "45.66.6.7") {
		t.Error("it speaks for others")
	}
	if o, err := z.Offer(t.Context(), list); o != nil || err != nil {
		t.Errorf("it speaks as a mirror: %+v, %v", o, err)
	}
	z.says("45.1.1.10")
	a.until("the stream and the victim's consumer are there", func() bool { return a.hears("zeta_pbx1", "45.1.1.10") })
	for _, sub := range []*nats.Subscription{listening, others, requests} {
		for m, err := sub.NextMsg(time.Millisecond); err == nil; m, err = sub.NextMsg(time.Millisecond) {
			if m.Reply == mine || strings.Contains(string(m.Data), "forged") || string(m.Data) == "{}" {
				continue // its own, within the relay
			}
			if !strings.Contains(m.Subject, "acme_pbx1") && !strings.Contains(m.Subject, own.Consumer()) {
				t.Errorf("it hears %s %s", m.Subject, m.Data)
			}
		}
	}

	// A host that the relay's credential does not name has no part in the fleet there.
	other := connect(t, r.URL(), h.Creds("beta_pbx2"))
	other.says("45.8.8.8")
	other.until("it is admitted by the relay", func() bool { return other.Health().Hub != "" })
	a.says("45.8.8.9")
	z.until("it hears", func() bool { return z.hears("acme_pbx1", "45.8.8.9") })
	if other.Health().Synced || z.hears("beta_pbx2", "45.8.8.8") {
		t.Errorf("a host of another site takes part by the relay: %+v", other.Health())
	}
}

// TestRelayOfMany: the credential of a relay with as many hosts as it can have is not too long for the servers.
func TestRelayOfMany(t *testing.T) {
	h := StartForRelays(t, testnats.Installed(t), loopback)
	var all [][]byte
	for i := range keys.MaxRelayed {
		all = append(all, h.Creds(fmt.Sprintf("abcdefghijklmnopqrst_abcdefghijklmnop%04d", i)))
	}
	r := h.Relay("abcdefghijklmnopqrst")
	z := connect(t, h.URL(), h.Creds("zeta_pbx1"))
	for i, creds := range [][]byte{all[0], all[len(all)-1]} {
		one, addr := connect(t, r.URL(), creds), fmt.Sprintf("45.1.1.%d", i+1)
		one.says(addr)
		z.until("a host of many is heard", func() bool { return z.hears(one.Health().Name, addr) })
	}
}
