package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// limit is for a busy machine.
const limit = time.Minute

// until waits for a condition.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	if !testpoll.Until(limit, so) {
		t.Fatalf("in vain was waited: %s", what)
	}
}

// server is the program of all hubs.
var server = testnats.Installed

// theHub is a real server with an operator's accounts.
type theHub struct {
	*testnats.Server
	t  testing.TB
	op *keys.Operator
}

// startHub runs a server, without a stream.
func startHub(t testing.TB) *theHub {
	t.Helper()
	h := &theHub{t: t}
	h.Server = server(t).Start(t, func(p testnats.Place) string {
		op, err := keys.New([]string{fmt.Sprintf("127.0.0.1:%d", p.Port)}, time.Now())
		h.must(err)
		h.op = op
		return h.config(p)
	})
	return h
}

// startKeptHub runs a server and the keeper of its stream.
func startKeptHub(t testing.TB) *theHub {
	t.Helper()
	h := startHub(t)
	h.keep()
	return h
}

func (h *theHub) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *theHub) config(p testnats.Place) string {
	h.t.Helper()
	place := keys.Place{
		Listen: fmt.Sprintf("127.0.0.1:%d", p.Port), Store: p.Store,
		Certificate: filepath.Join(p.Dir, "cert.pem"), Key: filepath.Join(p.Dir, "key.pem"),
	}
	h.must(os.WriteFile(place.Certificate, []byte(h.op.TLS.Certificate), 0o600))
	h.must(os.WriteFile(place.Key, []byte(h.op.TLS.Key), 0o600))
	text, err := h.op.Server(place)
	h.must(err)
	return text
}

// background runs something until the test ends, or end is called.
func background(t testing.TB, run func(ctx context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); ctx.Err() == nil {
			t.Errorf("it has ended: %v", err)
		}
	})
	end = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(end)
	return end
}

// keep runs the keeper, and returns what it logs.
func (h *theHub) keep() *journal {
	h.t.Helper()
	creds, err := h.op.KeeperCreds()
	h.must(err)
	log, gone := &journal{}, h.op.Gone()
	background(h.t, func(ctx context.Context) error {
		return Keep(ctx, KeeperOptions{URLs: h.op.URLs(), Creds: creds.Text(), Revoked: gone, Log: slog.New(slog.NewTextHandler(log, nil))})
	})
	return log
}

// keeperStreams is what the keeper may do with streams.
func (h *theHub) keeperStreams() jetstream.JetStream {
	h.t.Helper()
	js, err := jetstream.New(h.keeperLogin())
	h.must(err)
	return js
}

// keeperLogin connects with the rights of the keeper.
func (h *theHub) keeperLogin() *nats.Conn {
	h.t.Helper()
	creds, err := h.op.KeeperCreds()
	h.must(err)
	return h.login(creds.Text(), serverAPI)
}

// login connects a user until the test ends.
func (h *theHub) login(creds []byte, api string) *nats.Conn {
	h.t.Helper()
	m, err := memberOf(creds, api)
	h.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	nc, _, err := dial(ctx, h.op.URLs(), m, func(err error) { h.t.Log(m.name, err) }, func(error) {})
	h.must(err)
	h.t.Cleanup(func() {
		cancel()
		nc.Close()
	})
	return nc
}

// admit gives a host credentials.
func (h *theHub) admit(name fleet.Name) []byte {
	h.t.Helper()
	c, err := h.op.Add(name, time.Now())
	h.must(err)
	return c.Text()
}

// join connects a new host.
func (h *theHub) join(name fleet.Name) *host {
	h.t.Helper()
	return h.connect(h.admit(name), "boot 1")
}

// connect connects a host, and keeps what it hears.
func (h *theHub) connect(creds []byte, instance string) *host {
	h.t.Helper()
	return connectTo(h.t, h.op.URLs(), creds, instance)
}

func connectTo(t testing.TB, urls []string, creds []byte, instance string) *host {
	t.Helper()
	o := newHost(t, urls, creds, instance)
	o.start()
	return o
}

func newHost(t testing.TB, urls []string, creds []byte, instance string) *host {
	t.Helper()
	o := &host{t: t, slots: map[slotOf]Slot{}, log: &journal{}}
	c, err := New(Options{URLs: urls, Creds: creds, Instance: instance, Log: slog.New(slog.NewTextHandler(o.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	o.Conn = c
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", c.member.name, o.log)
		}
	})
	return o
}

// host is a connected host.
type host struct {
	*Conn
	t   testing.TB
	log *journal
	end func()

	held sync.Mutex // while it is locked, no events are taken

	mu     sync.Mutex
	slots  map[slotOf]Slot
	took   int // slots, how often
	synced int
	anew   int // streams
	lost   []Lost
	hubs   int // connections
	papers [][]byte
}

type slotOf struct {
	name fleet.Name
	slot int
}

func (o *host) start() {
	end := background(o.t, o.Run)
	endTaking := background(o.t, func(ctx context.Context) error {
		for {
			select {
			case e := <-o.Events():
				o.take(e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	o.end = func() {
		end()
		endTaking()
	}
}

func (o *host) take(e Event) {
	o.held.Lock()
	defer o.held.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case Slot:
		o.took++
		o.slots[slotOf{e.Name, e.Slot}] = e
	case Document:
		o.papers = append(o.papers, e.Text)
	case Synced:
		o.synced++
	case NewStream:
		o.anew++
		clear(o.slots)
	case Lost:
		o.lost = append(o.lost, e)
	case Connected:
		o.hubs++
	}
}

// look calls a function while nothing changes.
func (o *host) look(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// hears returns the addresses that a host says.
func (o *host) hears(name fleet.Name) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for _, s := range o.slots {
		for _, said := range s.Said {
			if s.Name == name {
				all = append(all, said.Addr.String())
			}
		}
	}
	slices.Sort(all)
	return all
}

// awaitHears waits until it hears exactly these addresses.
func (o *host) awaitHears(name fleet.Name, addrs ...string) {
	o.t.Helper()
	slices.Sort(addrs)
	if !testpoll.Until(limit, func() bool { return slices.Equal(o.hears(name), addrs) }) {
		o.t.Fatalf("%s hears of %s: %v, not %v; %+v", o.member.name, name, o.hears(name), addrs, o.Health())
	}
}

// awaitSynced waits until all has been read so many times.
func (o *host) awaitSynced(times int) {
	o.t.Helper()
	var n int
	if !testpoll.Until(limit, func() bool { o.look(func() { n = o.synced }); return n >= times }) {
		o.t.Fatalf("%s has read all %d times, not %d: %+v", o.member.name, n, times, o.Health())
	}
}

// awaitSaid waits until the hub has all that the host says.
func (o *host) awaitSaid() {
	o.t.Helper()
	if !testpoll.Until(limit, func() bool { h := o.Health(); return h.Synced && h.Unsaid == 0 }) {
		o.t.Fatalf("%s has not said all: %+v", o.member.name, o.Health())
	}
}

// says makes the host say bans of these addresses, and nothing else.
func (o *host) says(addrs ...string) {
	var all []fleet.Said
	for _, a := range addrs {
		all = append(all, saidOf(a, time.Hour))
	}
	o.Say(fleet.Divide(all))
}

func saidOf(addr string, left time.Duration) fleet.Said {
	return fleet.Said{Addr: netip.MustParseAddr(addr), Age: time.Minute, Left: left, Why: "fail2ban asterisk"}
}

// journal is what is logged.
type journal struct {
	mu   sync.Mutex
	text []byte
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, p...)
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.text)
}

// addresses returns n addresses of the Internet.
func addresses(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("45.%d.%d.%d", 1+i>>16&0xff, i>>8&0xff, i&0xff)
	}
	return all
}

// TestFlow: what was said before a host came, and what is said afterwards.
func TestFlow(t *testing.T) {
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	first := addresses(300)
	a.says(first...)
	a.awaitSaid()
	b := h.join("zeta_pbx1")
	b.awaitSynced(1)
	b.awaitHears("acme_pbx1", first...)
	b.says("45.9.9.9")
	a.awaitHears("zeta_pbx1", "45.9.9.9")
	a.says(first[1:]...)
	b.awaitHears("acme_pbx1", first[1:]...)
	a.says()
	b.awaitHears("acme_pbx1")
	b.awaitSaid()
	if got := b.Health(); got.Twin != (time.Time{}) || got.Ignored != 0 || got.Name != "zeta_pbx1" || got.Hub == "" || got.Error != "" {
		t.Errorf("%+v", got)
	}
}
