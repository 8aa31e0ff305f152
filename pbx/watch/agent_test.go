package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/link"
)

// agent is one that notes what it is told.
type agent struct {
	asked    atomic.Int64 // how often it was asked for something
	mu       sync.Mutex
	settings link.Settings
	away     bool
	changed  chan struct{}
	news     chan News
	listed   int // how often it was asked for the phones that it knows
	exempt   []netip.Addr
	banned   []netip.Addr // by others
	full     string       // why it bans nobody now
	deaf     error        // why it takes no phones
	bans     []bans.Seen
	phones   []link.Phone
	forget   []netip.Prefix
	trunks   []known.SeenTrunk
	health   link.Health
}

var errAway = errors.New("no agent is running")

func (a *agent) locked(f func()) error {
	a.asked.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return errAway
	}
	f()
	return nil
}

// told returns what the agent was told so far.
func (a *agent) told() *agent {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return &agent{bans: slices.Clone(a.bans), phones: slices.Clone(a.phones), forget: slices.Clone(a.forget), trunks: slices.Clone(a.trunks), health: a.health}
}

func (a *agent) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *agent) Settings(context.Context) (s link.Settings, err error) {
	return s, a.locked(func() { s = a.settings })
}

func (a *agent) Ban(_ context.Context, all []bans.Seen) (not Unbanned, err error) {
	err = a.locked(func() {
		for _, b := range all {
			switch {
			case slices.Contains(a.exempt, b.Addr):
				not.Exempt = append(not.Exempt, b.Addr)
			case a.full != "":
				not.Later, not.Why = append(not.Later, b.Addr), a.full
			default:
				a.bans = append(a.bans, b)
			}
		}
	})
	return not, err
}

func (a *agent) Phones(_ context.Context, phones []link.Phone, forget []netip.Prefix) (banned []netip.Addr, err error) {
	err = a.locked(func() {
		if a.deaf != nil {
			return
		}
		for _, p := range phones {
			if slices.Contains(a.banned, p.Addr) {
				banned = append(banned, p.Addr)
			} else {
				a.phones = append(a.phones, p)
			}
		}
		a.forget = append(a.forget, forget...)
	})
	if err == nil {
		err = a.deaf
	}
	return banned, err
}

func (a *agent) Trunks(_ context.Context, all []known.SeenTrunk) error {
	err := a.locked(func() {
		if a.deaf == nil {
			a.trunks = append(a.trunks, all...)
		}
	})
	return errors.Join(err, a.deaf)
}

func (a *agent) Health(_ context.Context, h link.Health) error {
	return a.locked(func() { a.health = h })
}

// Changed waits as the agent does.
func (a *agent) Changed(ctx context.Context) (News, error) {
	if err := a.locked(func() {}); err != nil {
		return News{}, err
	}
	select {
	case <-a.changed:
		return News{Settings: true}, nil
	case n := <-a.news:
		return n, nil
	case <-time.After(link.ChangeWait):
		return News{}, nil
	case <-ctx.Done():
		return News{}, ctx.Err()
	}
}

// Known returns the phones of the settings, and those that it was told of and that are not banned.
func (a *agent) Known(context.Context) (known []link.Phone, err error) {
	err = a.locked(func() {
		a.listed++
		for _, p := range append(slices.Clone(a.settings.Phones), a.phones...) {
			if !slices.Contains(a.banned, p.Addr) {
				known = append(known, p)
			}
		}
	})
	return known, err
}

var (
	attacker = netip.MustParseAddrPort("203.0.113.66:5060")
	office   = netip.MustParseAddrPort("198.51.100.5:5060")
)

// wrong is a wrong password of an attacker, i seconds after others.
func wrong(from netip.AddrPort, i int) pbx.Observation {
	return pbx.Observation{
		At: time.Now(), Source: from, Transport: "udp", Proved: true, What: pbx.WrongPassword,
		Method: "REGISTER", Account: fmt.Sprint(i),
	}
}

func right(from netip.AddrPort, account string) pbx.Observation {
	return pbx.Observation{
		At: time.Now(), Source: from, Transport: "udp", Proved: true, What: pbx.Registered,
		Method: "REGISTER", Account: account, Until: time.Now().Add(time.Hour),
	}
}

// given is a source that the test feeds.
type given chan pbx.Observation

func (g given) Watch(ctx context.Context, see func(pbx.Observation)) error {
	for {
		select {
		case o, ok := <-g:
			if !ok {
				return errors.New("the PBX hung up")
			}
			see(o)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watching runs a watcher with one source, in a bubble of time.
func watching(t *testing.T, a *agent, feed given) (run running) {
	run.log, run.beats = new(journal), new(atomic.Int64)
	w := &Watcher{Log: slog.New(slog.NewTextHandler(run.log, nil)), Agent: a, Alive: func() { run.beats.Add(1) }}
	run.ended = make(chan error, 1)
	ctx, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	go func() {
		run.ended <- w.run(ctx, func(link.Settings) *sources {
			return &sources{others: []*source{{name: "test", begin: func() (pbx.Source, error) { return feed, nil }}}}
		})
	}()
	synctest.Wait()
	return run
}

// running is a watcher that runs.
type running struct {
	beats *atomic.Int64 // how often it was said to be alive
	ended chan error
	log   *journal
}

// journal is what was logged.
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

func bubble(t *testing.T, f func(t *testing.T, a *agent, feed given)) {
	synctest.Test(t, func(t *testing.T) {
		f(t, &agent{settings: link.Settings{Bans: true}, changed: make(chan struct{}), news: make(chan News)}, make(given))
	})
}

// pass lets time go by in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
