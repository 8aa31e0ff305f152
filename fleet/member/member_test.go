package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// limit is for a busy machine.
const limit = time.Minute

// agent is one that keeps bans, and notes what it is told.
type agent struct {
	mu       sync.Mutex
	settings link.Settings
	own      link.Own
	held     map[netip.Addr]link.Ban
	refuses  map[netip.Addr]string
	away     bool
	undone   string // why it makes no changes
	health   link.Health
	lists    link.ListsAsked
	texts    map[string][]byte // of this host's own lists, by their keys
	offers   link.Offers
	copies   map[string][]byte
	requests []link.Others
	papers   [][]byte // documents of the operator
	beat     beat.Beat
	status   uint64
	missed   int           // how often nobody was there to wait for a change
	changed  chan struct{} // closed and replaced with each change
}

var errAway = errors.New("no agent is running")

func newAgent(h *testfleet.Hub, name string) *agent {
	return &agent{
		settings: link.Settings{
			Hubs: []string{h.URL()}, Creds: string(h.Creds(name)), Publish: true, Accept: true, Agree: 1,
			Longest: 24 * time.Hour, PerHost: 500, Most: 20000, Instance: name,
		},
		held: make(map[netip.Addr]link.Ban), refuses: make(map[netip.Addr]string), changed: make(chan struct{}),
	}
}

// set changes the agent, and wakes who waits for that.
func (a *agent) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	close(a.changed)
	a.changed = make(chan struct{})
}

// bans makes a ban of this host's own.
func (a *agent) bans(addrs ...netip.Addr) {
	a.set(func() {
		a.own.Serial++
		for _, addr := range addrs {
			a.own.Bans = append(a.own.Bans, link.Ban{Addr: addr, Left: time.Hour, Why: "fail2ban asterisk"})
		}
	})
}

func (a *agent) unbans(addr netip.Addr) {
	a.set(func() {
		a.own.Serial++
		a.own.Bans = slices.DeleteFunc(a.own.Bans, func(b link.Ban) bool { return b.Addr == addr })
	})
}

func (a *agent) answer(f func()) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return errAway
	}
	f()
	return nil
}

func (a *agent) Settings(context.Context) (s link.Settings, err error) {
	err = a.answer(func() { s = a.settings })
	return s, err
}

func (a *agent) Changed(ctx context.Context, had link.Seen) (now link.Seen, err error) {
	for {
		var changed chan struct{}
		err := a.answer(func() {
			now = link.Seen{Settings: a.settings.Serial(), Own: a.own.Serial, Status: a.status, Lists: a.lists.Serial}
			changed = a.changed
		})
		if err != nil {
			a.mu.Lock()
			a.missed++
			a.mu.Unlock()
		}
		if err != nil || now != had {
			return now, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

func (a *agent) Own(context.Context) (o link.Own, err error) {
	err = a.answer(func() { o = link.Own{Serial: a.own.Serial, Bans: slices.Clone(a.own.Bans)} })
	return o, err
}

func (a *agent) Held(_ context.Context, each func(link.Ban)) error {
	return a.answer(func() {
		for _, b := range a.held {
			each(b)
		}
	})
}

func (a *agent) Others(_ context.Context, what link.Others) (answer link.Answer, err error) {
	err = a.answer(func() {
		a.requests = append(a.requests, what)
		if a.undone != "" {
			answer.Problem, answer.Undone = a.undone, true
			return
		}
		for _, b := range what.Add {
			if why := a.refuses[b.Addr]; why != "" {
				answer.Refused = append(answer.Refused, link.Refusal{Addr: b.Addr, Why: why})
				continue
			}
			a.held[b.Addr] = b
		}
		for _, addr := range what.Remove {
			delete(a.held, addr)
		}
	})
	return answer, err
}

func (a *agent) Document(_ context.Context, d link.Document) (answer link.DocumentAnswer, err error) {
	err = a.answer(func() {
		if answer.Undone = a.undone != ""; !answer.Undone {
			a.papers = append(a.papers, d.Signed)
		}
	})
	return answer, err
}

func (a *agent) Beat(context.Context) (b beat.Beat, err error) {
	err = a.answer(func() { b = a.beat })
	return b, err
}

func (a *agent) Health(_ context.Context, h link.Health) error {
	return a.answer(func() { a.health = h })
}

// holds reports whether the agent has exactly these bans of others.
func (a *agent) holds(addrs ...netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, addr := range addrs {
		if _, ok := a.held[addr]; !ok {
			return false
		}
	}
	return len(addrs) == len(a.held)
}

func (a *agent) has(addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.held[addr]
	return ok
}

func (a *agent) said() link.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health
}

// hasMissed reports whether the process has noticed that the agent is away.
func (a *agent) hasMissed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.missed > 0
}

func (a *agent) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

// running is a process that takes part.
type running struct {
	t   *testing.T
	end context.CancelFunc
	err chan error
	log *journal
}

// run starts one.
func (a *agent) run(t *testing.T) *running {
	t.Helper()
	log := new(journal)
	ctx, end := context.WithCancel(context.Background())
	r := &running{t, end, make(chan error, 1), log}
	m := &Member{Log: slog.New(slog.NewTextHandler(log, nil)), Agent: a, Alive: func() {}}
	go func() {
		err := m.Run(ctx)
		for errors.Is(err, ErrSettings) {
			err = m.Run(ctx)
		}
		r.err <- err
	}()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("the log of %s:\n%s", a.settings.Instance, log)
		}
	})
	return r
}

func (r *running) stop() {
	r.end()
	select {
	case err := <-r.err:
		r.err <- err
		if !errors.Is(err, context.Canceled) {
			r.t.Errorf("it ended with %v", err)
		}
	case <-time.After(limit):
		r.t.Error("it does not end")
	}
}

type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !testpoll.Until(limit, holds) {
		t.Fatalf("not within %s: %s", limit, what)
	}
}

func startHub(t *testing.T) *testfleet.Hub {
	t.Helper()
	return testfleet.Start(t, netip.MustParseAddr("127.0.0.1"))
}

// TestMembers: the agents of two hosts have each other's bans, and what is taken back goes.
func TestMembers(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	one.bans(addr(1), addr(2))
	one.run(t)
	other.run(t)
	eventually(t, "both bans", func() bool { return other.holds(addr(1), addr(2)) })
	b := other.held[addr(1)]
	if !slices.Equal(b.By, []string{"acme_pbx1"}) || b.Why != "fail2ban asterisk" || b.Left > time.Hour+time.Second || b.Left < time.Hour-limit {
		t.Errorf("%+v", b)
	}
	one.unbans(addr(1))
	other.bans(addr(3))
	eventually(t, "a ban is gone", func() bool { return other.holds(addr(2)) })
	eventually(t, "the other's ban", func() bool { return one.holds(addr(3)) })
	eventually(t, "health", func() bool {
		h := one.said()
		return h.Name == "acme_pbx1" && h.Synced && h.Hub != "" && h.Unsaid == 0 && h.Believed == 1 && h.Hosts == 1 && h.Error == ""
	})
}

// TestRefused: what the agent refuses is not asked for with each change, and is said.
func TestRefused(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	other.refuses[addr(1)] = link.Veto
	one.bans(addr(1), addr(2))
	one.run(t)
	other.run(t)
	eventually(t, "one of two", func() bool { return other.holds(addr(2)) && other.said().Left[link.Veto] == 1 })
	n := other.asked()
	one.bans(addr(3))
	eventually(t, "another", func() bool { return other.holds(addr(2), addr(3)) })
	if got := other.asked(); got != n+1 {
		t.Errorf("%d requests for one ban", got-n)
	}
}

// TestAgentAway: changes while the agent is away, or does nothing, are made once it is back; an agent that
// has come back without some of its bans gets these, and what it should not have is taken back.
func TestAgentAway(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	one.bans(addr(1), addr(2), addr(3))
	one.run(t)
	other.run(t)
	eventually(t, "three bans", func() bool { return other.holds(addr(1), addr(2), addr(3)) })
	other.set(func() {
		other.away, other.missed = true, 0
		delete(other.held, addr(1))
		other.held[addr(9)] = link.Ban{Addr: addr(9), Left: time.Hour, By: []string{"acme_pbx1"}}
	})
	one.unbans(addr(2))
	one.bans(addr(4))
	eventually(t, "the hub has it", func() bool { return one.said().Unsaid == 0 })
	eventually(t, "the process notices", other.hasMissed)
	other.set(func() { other.away = false })
	eventually(t, "what is to be there is", func() bool { return other.holds(addr(1), addr(3), addr(4)) })

	other.set(func() { other.undone = "the disk is full" })
	n := other.asked()
	one.bans(addr(5))
	eventually(t, "it is asked for in vain", func() bool { return other.asked() > n+1 })
	other.set(func() { other.undone = "" })
	eventually(t, "it is made", func() bool { return other.holds(addr(1), addr(3), addr(4), addr(5)) })
}

// TestHeldBefore: what is in force when the process begins is not taken back before its hosts say
// something else, which they may do while it is not there.
func TestHeldBefore(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	one.bans(addr(1), addr(2))
	one.run(t)
	r := other.run(t)
	eventually(t, "two bans", func() bool { return other.holds(addr(1), addr(2)) })
	r.stop()
	// Two that nobody has said to this hub: of a host that it has not heard, and of none.
	other.set(func() {
		other.held[addr(8)] = link.Ban{Addr: addr(8), Left: time.Hour, By: []string{"beta_pbx1"}}
		other.held[addr(9)] = link.Ban{Addr: addr(9), Left: time.Hour}
	})
	h.Kill()
	one.unbans(addr(2))
	r = other.run(t)
	eventually(t, "it has no hub", func() bool { return other.said().Error != "" })
	if !other.holds(addr(1), addr(2), addr(8), addr(9)) {
		t.Error("a ban was taken back before the hub was heard")
	}
	h.Run()
	eventually(t, "what is taken back goes", func() bool { return other.holds(addr(1), addr(8)) })
	r.stop()
}

// TestPolicyChanges: other settings count at once, and without a hub nothing is done.
func TestPolicyChanges(t *testing.T) {
	h := startHub(t)
	one, other := newAgent(h, "acme_pbx1"), newAgent(h, "zeta_pbx1")
	other.settings.Agree = 2
	one.bans(addr(1), addr(2))
	other.bans(addr(2))
	one.run(t)
	other.run(t)
	eventually(t, "what two say", func() bool { return other.holds(addr(2)) })
	other.set(func() { other.settings.Trust = []string{"acme"} })
	eventually(t, "what a trusted one says", func() bool { return other.holds(addr(1), addr(2)) })
	other.set(func() { other.settings.Trust = nil })
	eventually(t, "no longer", func() bool { return other.holds(addr(2)) })

	creds := other.settings.Creds
	for what, broken := range map[string]func(){
		"no hub":              func() { other.settings.Hubs = nil },
		"credentials, unread": func() { other.settings.Creds, other.settings.Error = "", "permission denied" },
		"no credentials":      func() { other.settings.Creds = "nonsense" },
	} {
		other.set(func() {
			broken()
			other.health = link.Health{}
		})
		eventually(t, what, func() bool {
			h := other.said()
			return !h.Since.IsZero() && h.Hub == "" && (what == "no hub" || h.Error != "")
		})
		if !other.holds(addr(2)) {
			t.Errorf("%s: the process takes a ban out", what)
		}
		other.set(func() { other.settings.Hubs, other.settings.Creds, other.settings.Error = []string{h.URL()}, creds, "" })
		eventually(t, "mended", func() bool { return other.said().Synced })
	}
	other.set(func() { other.settings.Accept = false })
	one.bans(addr(3))
	eventually(t, "it is heard, and not made", func() bool { h := other.said(); return h.Heard == 3 && h.Synced })
	if other.has(addr(3)) {
		t.Error("it is made")
	}
}

// TestNothingStays: a process that has ended leaves nothing that runs.
func TestNothingStays(t *testing.T) {
	h := startHub(t)
	a := newAgent(h, "acme_pbx1")
	connect := func() {
		a.set(func() { a.health = link.Health{} })
		r := a.run(t)
		eventually(t, "it is connected", func() bool { return a.said().Synced })
		r.stop()
	}
	connect() // by then, the hub's own are there
	before := runtime.NumGoroutine()
	connect()
	eventually(t, "its goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// TestMany: thousands of bans of many hosts come, few requests at a time.
func TestMany(t *testing.T) {
	h := startHub(t)
	const hosts, each = 4, 500
	other := newAgent(h, "zeta_pbx1")
	for i := range hosts {
		a := newAgent(h, fmt.Sprintf("acme_pbx%d", i))
		var all []netip.Addr
		for j := range each {
			all = append(all, addr(i*each+j))
		}
		a.bans(all...)
		a.run(t)
	}
	other.run(t)
	eventually(t, "all of them", func() bool { other.mu.Lock(); defer other.mu.Unlock(); return len(other.held) == hosts*each })
}
