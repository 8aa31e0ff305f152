package hub

import (
	"strings"
	"testing"
	"time"
)

// ask connects the operator.
func (h *theHub) ask() *Asker {
	h.t.Helper()
	creds, err := h.op.SystemCreds()
	h.must(err)
	account, err := h.op.HostsAccount()
	h.must(err)
	a, err := Ask(h.t.Context(), h.op.URLs(), creds.Text(), account)
	h.must(err)
	h.t.Cleanup(a.Close)
	return a
}

// TestCutOff: a revoked host counts as cut off once the server refuses it and it is not connected, and not
// before; its bans can be taken out then. Other hosts stay connected, and keep theirs.
func TestCutOff(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	reader, bad, good := h.join("zeta_pbx1"), h.join("acme_pbx1"), h.join("acme_pbx2")
	bad.says("45.1.2.3", "45.1.2.4")
	good.says("45.1.2.3", "45.1.2.5")
	reader.awaitHears("acme_pbx1", "45.1.2.3", "45.1.2.4")
	reader.awaitHears("acme_pbx2", "45.1.2.3", "45.1.2.5")

	a := h.ask()
	all, err := a.Connections(t.Context())
	h.must(err)
	host, _ := h.op.Active("acme_pbx1")
	seen := 0
	for _, c := range all {
		if c.Key == host.Key && strings.HasPrefix(c.Address, "127.0.0.1:") && !c.Since.IsZero() {
			seen++
		}
	}
	if len(all) != 3 || seen != 1 {
		t.Errorf("connected: %+v", all)
	}
	account, err := h.op.HostsAccount()
	h.must(err)
	if is, err := a.IsConnected(t.Context(), account, host.Key); !is || err != nil {
		t.Errorf("a connected host is not seen: %v", err)
	}
	revoked := h.op.Revoke("acme_pbx1", time.Now())
	if is, why, err := a.CutOff(t.Context(), revoked); is || err != nil || !strings.Contains(why, "still admits") {
		t.Errorf("before the server is told: %v, %q, %v", is, why, err)
	}
	began := time.Now()
	h.Reload(h.config(h.Place))
	until(t, "the host is cut off", func() bool {
		is, _, err := a.CutOff(t.Context(), revoked)
		return is && err == nil
	})
	t.Logf("cut off after %v", time.Since(began))
	if is, err := a.IsConnected(t.Context(), account, host.Key); is || err != nil {
		t.Errorf("its connection is left: %v", err)
	}
	until(t, "the host is told", func() bool { return bad.Health().Refused })
	creds, err := h.op.AdminCreds()
	h.must(err)
	for _, want := range []bool{true, false} {
		if n, err := TakeOut(t.Context(), h.op.URLs(), creds.Text(), "acme_pbx1", false); err != nil || n > 0 != want {
			t.Errorf("emptied %d messages, %v", n, err)
		}
	}
	reader.awaitHears("acme_pbx1")
	reader.awaitHears("acme_pbx2", "45.1.2.3", "45.1.2.5")
	if good.Health().Connected.IsZero() {
		t.Error("another host has lost its connection")
	}
	h.Restart()
	until(t, "the host is cut off after a restart of the server", func() bool {
		a, err := askAgain(t, h)
		if err != nil {
			return false
		}
		defer a.Close()
		is, _, err := a.CutOff(t.Context(), revoked)
		return is && err == nil
	})
	until(t, "another host is admitted after a restart", func() bool { return !good.Health().Connected.IsZero() })
	if !bad.Health().Connected.IsZero() {
		t.Error("the revoked host is admitted after a restart of the server")
	}
}

func askAgain(t *testing.T, h *theHub) (*Asker, error) {
	creds, err := h.op.SystemCreds()
	if err != nil {
		return nil, err
	}
	account, err := h.op.HostsAccount()
	if err != nil {
		return nil, err
	}
	return Ask(t.Context(), h.op.URLs(), creds.Text(), account)
}
