package rules

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
)

// TestMustWait asks when base rules that are new wait for somebody who asks for them.
func TestMustWait(t *testing.T) {
	agent := func(c Circumstances) Circumstances { c.Unattended = true; return c }
	for _, c := range []struct {
		name string
		is   Circumstances
		want bool
	}{
		{"the agent, on a fresh host that nobody is on", agent(Circumstances{}), false},
		{"the agent, a fresh host, beside somebody on a terminal", agent(Circumstances{Caller: true}), false},
		{"the agent, on a used host", agent(Circumstances{Used: true, Caller: true}), true},
		{"the agent, somebody is logged in", agent(Circumstances{LoggedIn: true}), true},
		{"the agent, somebody may be logged in", agent(Circumstances{MaybeLoggedIn: true}), true},
		{"the agent, a tunnel of which nothing is known", agent(Circumstances{Unclear: true}), true},
		{"the agent, after it has been at work", agent(Circumstances{Established: true}), true},
		{"a sync on a fresh host", Circumstances{LoggedIn: true, MaybeLoggedIn: true}, false},
		{"a sync from cron on a used host", Circumstances{Used: true, LoggedIn: true}, true},
		{"a sync that somebody waits for", Circumstances{Used: true, Caller: true}, false},
		{"by hand", Circumstances{ByHand: true, Used: true, LoggedIn: true, MaybeLoggedIn: true}, false},
	} {
		if got := c.is.mustWait(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestCaller: somebody waits for a command who is connected or at a terminal, and who does
// more than look.
func TestCaller(t *testing.T) {
	here := host.Connection{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:22")}
	for _, c := range []struct {
		how      How
		from     host.Connection
		terminal bool
		want     Circumstances
	}{
		{How{}, host.Connection{}, false, Circumstances{}},
		{How{}, here, false, Circumstances{Caller: true}},
		{How{}, host.Connection{}, true, Circumstances{Caller: true}},
		{How{}, here, true, Circumstances{Caller: true}},
		{How{OnlyLooks: true}, here, true, Circumstances{}},
		{How{ByHand: true, Force: true}, host.Connection{}, true, Circumstances{ByHand: true, Force: true, Caller: true}},
		{How{Unattended: true, Established: true}, host.Connection{}, false, Circumstances{Unattended: true, Established: true}},
	} {
		if got := c.how.circumstances(c.from, c.terminal); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v from %v, at a terminal: %v: %+v, want %+v", c.how, c.from, c.terminal, got, c.want)
		}
	}
}

// TestRefusal asks who has the last word about new base rules.
func TestRefusal(t *testing.T) {
	owner, out := &OtherOwnerError{Owners: []string{"ufw"}}, []ShutOut{{What: "a session"}}
	for _, c := range []struct {
		name string
		is   Circumstances
		want error // nil, or one of the same type
	}{
		{"nothing speaks against it", Circumstances{ByHand: true}, nil},
		{"another owner, also by force", Circumstances{ByHand: true, Force: true, Owner: owner}, owner},
		{"another owner, of rules that were confirmed", Circumstances{Accepted: true, Owner: owner}, owner},
		{"confirmed before", Circumstances{Unattended: true, Established: true, Accepted: true, Out: out}, nil},
		{"somebody would be locked out", Circumstances{ByHand: true, Out: out}, &LockoutError{}},
		{"by force", Circumstances{ByHand: true, Force: true, Out: out}, nil},
		{"somebody would be, by a sync that nobody waits for", Circumstances{Used: true, Out: out}, &LockoutError{}},
		{"a sync that nobody waits for", Circumstances{Used: true}, &UnattendedError{}},
		{"nobody is there", Circumstances{Unattended: true, Established: true, Out: out}, &UnattendedError{}},
	} {
		if got := c.is.refusal(); fmt.Sprintf("%T", got) != fmt.Sprintf("%T", c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// newTrial is rules in a namespace of the test's own, with the sets that they need.
func newTrial(t *testing.T) (*Hold, [2]*firewall.Saved) {
	t.Helper()
	testns.Enter(t)
	dir := t.TempDir()
	cfg := testvalue.Config(t, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfirewall: {base: true, local_networks: [10.0.0.0/8]}\n", dir))
	fw, err := firewall.Open("nft")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kernel.Close)
	for _, folder := range []string{cfg.StateDir, cfg.RunDir} {
		store, err := fetch.OpenStore(folder)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
	}
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := Open(cfg, fw, kernel, store)
	t.Cleanup(r.Close)
	if _, err := r.EnsureSets(); err != nil {
		t.Fatal(err)
	}
	saved, err := fw.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r, saved
}

// TestArmFails cannot start what takes the rules back: nothing is left on trial, neither
// in the state nor in its copy.
func TestArmFails(t *testing.T) {
	r, saved := newTrial(t)
	token := ""
	_, err := r.begin(context.Background(), time.Minute, func(given string) (string, []string) {
		token = given
		return "/nonexistent/voipbl", nil
	}, saved)
	if err == nil || token == "" {
		t.Fatalf("token %q, error %v", token, err)
	}
	state, _, lost, err := readRules(r.store, r.Run)
	if r.State.Pending != nil || state.Pending != nil || lost || err != nil {
		t.Errorf("on trial: %+v, on disk: %+v, %v, %v", r.State.Pending, state.Pending, lost, err)
	}
	if p, _ := fromCopy(r.Run, token); p != nil {
		t.Errorf("the copy has %+v", p)
	}
}

// TestReject ends a trial: the rules are remembered as refused if they were not accepted
// before, and the kernel is looked at anew.
func TestReject(t *testing.T) {
	r, _ := newTrial(t)
	for _, accepted := range []string{"", "other", "key"} {
		r.State = State{Pending: &pendingBase{Token: "t", Key: "key"}}
		if accepted != "" {
			r.State.Accepted = &acceptedBase{Key: accepted}
		}
		r.Record.Generation = "7"
		if err := r.reject(whyByHand); err != nil {
			t.Fatal(err)
		}
		state, record, _, err := readRules(r.store, r.Run)
		if err != nil {
			t.Fatal(err)
		}
		if state.Pending != nil || record.Generation != "" {
			t.Errorf("%q: pending %+v, generation %q", accepted, state.Pending, record.Generation)
		}
		rejected := state.Rejected != nil && state.Rejected.Key == "key" && state.Rejected.Why == whyByHand
		if rejected == (accepted == "key") {
			t.Errorf("accepted %q: rejected %+v", accepted, state.Rejected)
		}
	}
}

// TestConfirmWhenTyped: a confirmation counts when it was typed, however long it has to
// wait for the lock; one that was typed too late keeps nothing.
func TestConfirmWhenTyped(t *testing.T) {
	r, _ := newTrial(t)
	const window = time.Minute
	since := time.Now().AddDate(1, 0, 0) // by a clock that was set back since
	for late, typed := range map[bool]time.Duration{false: time.Hour + window, true: time.Hour + window + time.Second} {
		r.State = State{
			Pending:  &pendingBase{Token: "t", Key: "key", Kernel: firewall.Kernel(), Uptime: time.Hour, Since: since, Deadline: since.Add(window), Before: []ownRules{{Backend: r.fw.Backend}}},
			Rejected: &rejectedBase{Key: "key"}, // by an earlier trial
		}
		err := r.confirm(t.Context(), typed, true)
		state, _, _, readErr := readRules(r.store, r.Run)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if refused := errors.As(err, new(*NotPendingError)); refused != late || !late && err != nil {
			t.Errorf("late %v: %v", late, err)
		}
		if rejected := state.Rejected != nil && state.Rejected.Why == whyLapsed; rejected != late || !late && state.Rejected != nil || state.Pending != nil {
			t.Errorf("late %v: rejected %+v, pending %+v", late, state.Rejected, state.Pending)
		}
	}
}

// TestDeadline: when a trial ends is counted by the clock of the boot, however little the wall
// clock was moved.
func TestDeadline(t *testing.T) {
	begun := time.Date(2026, 11, 29, 12, 0, 0, 500_000_000, time.UTC)
	p := &pendingBase{Since: begun, Deadline: begun.Add(time.Minute), Uptime: time.Hour}
	for _, c := range []struct {
		name       string
		wall, want time.Duration // since it began, twenty seconds on
	}{
		{"nobody moves it", 20 * time.Second, time.Minute},
		{"the clocks are not read at once", 20*time.Second + time.Millisecond, time.Minute},
		{"59 s ahead", 79 * time.Second, 119*time.Second - 500*time.Millisecond},
		{"59 s back", -39 * time.Second, time.Second - 500*time.Millisecond},
		{"a year ahead", 365*24*time.Hour + 20*time.Second, 365*24*time.Hour + time.Minute - 500*time.Millisecond},
	} {
		now := deadline.Clock{Boot: "b", Up: p.Uptime + 20*time.Second, Wall: begun.Add(c.wall)}
		if got := p.deadlineBy(now).Sub(begun); got != c.want {
			t.Errorf("%s: %s after it began, not %s", c.name, got, c.want)
		}
	}
	p.Kernel = firewall.Kernel()
	for up, over := range map[time.Duration]bool{p.Uptime + time.Minute: false, p.Uptime + time.Minute + 1: true} {
		if p.onTrial(up) == over {
			t.Errorf("at %s it is over: %v", up, !over)
		}
	}
	p.Kernel = "of another boot"
	if r := p.report(); !r.Lapsed || !r.Deadline.Equal(p.Deadline) {
		t.Errorf("of another boot: %+v", r)
	}
}

// TestRollBackAfterBoot: rules that went with a boot need not be taken back, and why they
// are gone is not that nobody came.
func TestRollBackAfterBoot(t *testing.T) {
	r, _ := newTrial(t)
	r.stateLost = false
	r.State = State{Pending: &pendingBase{Token: "t", Key: "key", Kernel: "of another boot", Deadline: time.Now().Add(time.Hour)}}
	if err := r.rollBack(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	state, _, _, err := readRules(r.store, r.Run)
	if err != nil || state.Pending != nil || state.Rejected == nil || state.Rejected.Why != whyBooted {
		t.Errorf("pending %+v, rejected %+v, %v", state.Pending, state.Rejected, err)
	}
}
