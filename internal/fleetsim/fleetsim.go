// Package fleetsim runs many hosts of a fleet in one process: each is a connection of package fleet/hub to
// a real hub, with credentials of its own. It finds out whether all hear what one says, how soon, and
// whether anything is heard twice. It has no agents: what a host believes and bans is not part of it.
package fleetsim

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// limit is how long a condition is waited for: a busy machine connects a thousand hosts in half a minute.
const limit = 2 * time.Minute

// atOnce is how many hosts connect at once at first. If a busy machine let all of them do so, each might
// take longer than a hub is given.
const atOnce = 32

// spare is how many files a process needs beside those of its hosts' connections.
const spare = 500

// Fleet is some hosts of one hub.
type Fleet struct {
	// Leave ends all connections. What the hosts have said stays at the hub.
	Leave func()

	t     testing.TB
	hosts []*host

	mu    sync.Mutex
	said  []time.Time // when each ban was said, by its number
	first int         // latencies count of bans from this number on
	end   int         // to the one before this
}

// host is one of them.
type host struct {
	fleet *Fleet
	conn  *hub.Conn
	bans  []int // the numbers of its bans; used by the test's goroutine alone

	ready sync.Once // when all was read that the hub has
	heard heard
}

// Member is who is to be connected: where, and by which credentials.
type Member struct {
	URL   string
	Creds []byte
}

// Join connects hosts until [Fleet.Leave] or the end of the test. It returns when each has read all that the
// hub has.
func Join(t testing.TB, members []Member) *Fleet {
	t.Helper()
	if err := raiseFiles(uint64(len(members) + spare)); err != nil {
		t.Fatal(err)
	}
	f := &Fleet{t: t}
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	f.Leave = func() {
		end()
		running.Wait()
	}
	t.Cleanup(f.Leave)
	connecting := make(chan struct{}, atOnce)
	for _, m := range members {
		conn, err := hub.New(hub.Options{URLs: []string{m.URL}, Creds: m.Creds, Instance: "boot 1", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h := &host{fleet: f, conn: conn}
		f.hosts = append(f.hosts, h)
		f.enter(connecting)
		running.Go(func() { _ = conn.Run(ctx) }) // it ends with ctx
		running.Go(func() { h.listen(ctx, func() { <-connecting }) })
	}
	for range atOnce { // until all are ready
		f.enter(connecting)
	}
	return f
}

// enter waits until there is room for one more.
func (f *Fleet) enter(room chan<- struct{}) {
	f.t.Helper()
	select {
	case room <- struct{}{}:
	case <-time.After(limit):
		f.t.Fatalf("none of %d hosts gets ready, such as %+v", len(f.hosts), f.hosts[len(f.hosts)-1].conn.Health())
	}
}

// raiseFiles lets this process, and those that it starts, have so many open files.
func raiseFiles(n uint64) error {
	var is syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &is); err != nil {
		return err
	}
	if is.Max < n {
		return fmt.Errorf("%d open files are needed, and %d are allowed (ulimit -Hn)", n, is.Max)
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: is.Max, Max: is.Max})
}

// listen takes what a host hears. It calls ready once, when all was read that the hub has.
func (h *host) listen(ctx context.Context, ready func()) {
	for {
		select {
		case e := <-h.conn.Events():
			switch e := e.(type) {
			case hub.Slot:
				h.take(e)
			case hub.NewStream:
				h.heard.forget()
			case hub.Synced:
				h.ready.Do(ready)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (h *host) take(s hub.Slot) {
	now := time.Now()
	numbers := make([]int, 0, len(s.Said))
	for _, said := range s.Said {
		numbers = append(numbers, number(said.Addr))
	}
	h.heard.take(s.Seq, numbers, func(n int) (time.Duration, bool) {
		f := h.fleet
		f.mu.Lock()
		defer f.mu.Unlock()
		return now.Sub(f.said[n]), n >= f.first && n < f.end
	})
}

// Address is that of the ban with a number. Those of consecutive numbers are in different networks, each of which
// has only a share of what a host may say.
func Address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{45, byte(n), byte(n >> 8), 1 + byte(n>>16)})
}

func number(a netip.Addr) int {
	b := a.As4()
	return int(b[1]) | int(b[2])<<8 | int(b[3]-1)<<16
}

// Say makes a host ban one address more.
func (f *Fleet) Say(host int) {
	h := f.hosts[host]
	f.mu.Lock()
	h.bans = append(h.bans, len(f.said))
	f.said = append(f.said, time.Now())
	f.mu.Unlock()
	said := make([]fleet.Said, 0, len(h.bans))
	for _, n := range h.bans {
		said = append(said, fleet.Said{Addr: Address(n), Left: 24 * time.Hour, Why: "fail2ban asterisk"})
	}
	h.conn.Say(fleet.Divide(said))
}

// SayAtOnce makes each host of a share of all ban one address more.
func (f *Fleet) SayAtOnce(share int) {
	for i := 0; i < len(f.hosts); i += share {
		f.Say(i)
	}
}

// Pace makes each host of a share of all ban addresses in turn, one each pause, n altogether. It is measured
// how long it takes until others hear of them.
func (f *Fleet) Pace(n, share int, pause time.Duration) {
	f.mu.Lock()
	f.first = len(f.said)
	f.end = f.first + n
	f.mu.Unlock()
	for _, h := range f.hosts {
		h.heard.forgetTimes()
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		f.Say(i * share % len(f.hosts))
	}
}

// AwaitAll waits until each host has heard of all bans.
func (f *Fleet) AwaitAll() {
	f.t.Helper()
	f.mu.Lock()
	n := len(f.said)
	f.mu.Unlock()
	f.await("all hosts hear of all bans", func(h *host) bool { return h.heard.has(n) })
}

// await waits until all hosts meet a condition, which stays met then.
func (f *Fleet) await(what string, so func(*host) bool) {
	f.t.Helper()
	left := f.hosts
	within := limit * time.Duration(1+len(f.hosts)/1000) // all have one hub, and one machine
	if !testpoll.Until(within, func() bool {
		for len(left) > 0 && so(left[0]) {
			left = left[1:]
		}
		return len(left) == 0
	}) {
		f.t.Fatalf("in vain was waited that %s: not so at %d hosts or less, such as %+v", what, len(left), left[0].conn.Health())
	}
}

// Twice returns how often a message was heard that had been heard already.
func (f *Fleet) Twice() (n int) {
	for _, h := range f.hosts {
		n += h.heard.doubles()
	}
	return n
}

// Latencies returns how long it took until hosts have heard of the bans of [Fleet.Pace], in order.
func (f *Fleet) Latencies() Latencies {
	var all Latencies
	for _, h := range f.hosts {
		all = append(all, h.heard.took()...)
	}
	return all.sorted()
}
