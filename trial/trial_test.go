package trial

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/rules"
)

// newTrial returns rules in a namespace of the test's own, with the sets that they need.
func newTrial(t *testing.T) (*rules.Hold, [2]*iptables.Saved) {
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
	r := rules.Open(cfg, fw, kernel, store)
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

// TestArmFails: if the timer cannot be started, nothing is left on trial, neither in the state
// nor in its copy.
func TestArmFails(t *testing.T) {
	r, saved := newTrial(t)
	token := ""
	_, err := begin(context.Background(), r, time.Minute, func(given string) (string, []string) {
		token = given
		return "/nonexistent/voipbl", nil
	}, saved)
	if err == nil || token == "" {
		t.Fatalf("token %q, error %v", token, err)
	}
	if r.State.Pending != nil {
		t.Errorf("on trial: %+v", r.State.Pending)
	}
	r.State = rules.State{Pending: &rules.PendingBase{}}
	if r.Reload(); r.State.Pending != nil || r.StateErr != nil {
		t.Errorf("on disk: %+v, %v", r.State.Pending, r.StateErr)
	}
	r.StateErr = errors.New("damaged")
	if err := r.FindPending(token); err != nil || r.State.Pending != nil {
		t.Errorf("the copy has %+v, %v", r.State.Pending, err)
	}
}

// TestReject ends a trial: the rules are recorded as rejected, unless they were accepted before,
// and the kernel is read anew.
func TestReject(t *testing.T) {
	r, _ := newTrial(t)
	for _, accepted := range []string{"", "other", "key"} {
		r.State = rules.State{Pending: &rules.PendingBase{Token: "t", Key: "key"}}
		if accepted != "" {
			r.State.Accepted = &rules.AcceptedBase{Key: accepted}
		}
		r.Record.Generation = "7"
		if err := reject(r, whyByHand); err != nil {
			t.Fatal(err)
		}
		if r.Reload(); r.StateErr != nil {
			t.Fatal(r.StateErr)
		}
		if r.State.Pending != nil || r.Record.Generation != "" {
			t.Errorf("%q: pending %+v, generation %q", accepted, r.State.Pending, r.Record.Generation)
		}
		rejected := r.State.Rejected != nil && r.State.Rejected.Key == "key" && r.State.Rejected.Why == whyByHand
		if rejected == (accepted == "key") {
			t.Errorf("accepted %q: rejected %+v", accepted, r.State.Rejected)
		}
	}
}

// TestConfirmWhenTyped: what counts is when a confirmation was typed, however long it waits for
// the lock. One that was typed too late keeps nothing.
func TestConfirmWhenTyped(t *testing.T) {
	r, _ := newTrial(t)
	const window = time.Minute
	since := time.Now().AddDate(1, 0, 0) // by a clock that was set back since
	for late, typed := range map[bool]time.Duration{false: time.Hour + window, true: time.Hour + window + time.Second} {
		r.State = rules.State{
			Pending:  &rules.PendingBase{Token: "t", Key: "key", Kernel: firewall.Kernel(), Uptime: time.Hour, Since: since, Deadline: since.Add(window), Before: []rules.OwnRules{{Backend: r.Fw.Backend}}},
			Rejected: &rules.RejectedBase{Key: "key"}, // by an earlier trial
		}
		err := confirm(t.Context(), r, typed, true)
		r.Reload()
		state := r.State
		if r.StateErr != nil {
			t.Fatal(r.StateErr)
		}
		if refused := errors.As(err, new(*notPendingError)); refused != late || !late && err != nil {
			t.Errorf("late %v: %v", late, err)
		}
		if rejected := state.Rejected != nil && state.Rejected.Why == whyLapsed; rejected != late || !late && state.Rejected != nil || state.Pending != nil {
			t.Errorf("late %v: rejected %+v, pending %+v", late, state.Rejected, state.Pending)
		}
	}
}

// TestRollBackAfterBoot: after a reboot, rules on trial are gone and need not be taken back, and
// their reason is the reboot, not that nobody confirmed them.
func TestRollBackAfterBoot(t *testing.T) {
	r, _ := newTrial(t)
	r.State = rules.State{Pending: &rules.PendingBase{Token: "t", Key: "key", Kernel: "of another boot", Deadline: time.Now().Add(time.Hour)}}
	if err := r.WriteState(); err != nil {
		t.Fatal(err)
	}
	r.Reload() // the state exists and is not lost
	if err := rollBack(t.Context(), r, "t"); err != nil {
		t.Fatal(err)
	}
	r.Reload()
	state, err := r.State, r.StateErr
	if err != nil || state.Pending != nil || state.Rejected == nil || state.Rejected.Why != whyBooted {
		t.Errorf("pending %+v, rejected %+v, %v", state.Pending, state.Rejected, err)
	}
}
