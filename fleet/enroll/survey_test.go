package enroll

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// roll is a hub whose hosts send what a test says.
type roll struct {
	t    *testing.T
	hub  *testfleet.Hub
	opts HubOptions
}

func newRoll(t *testing.T) *roll {
	t.Helper()
	testskip.UnlessRoot(t)
	r := &roll{t: t, hub: testfleet.Start(t, netip.MustParseAddr("127.0.0.1")), opts: HubOptions{Root: t.TempDir(), RunDir: t.TempDir()}}
	if err := os.MkdirAll(filepath.Join(r.opts.Root, filepath.Dir(operator)), 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// save writes the operator's file.
func (r *roll) save() {
	r.t.Helper()
	text, err := r.hub.Operator.Text()
	if err == nil {
		err = os.WriteFile(filepath.Join(r.opts.Root, operator), text, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// says connects a new host until the hub has its heartbeat.
func (r *roll) says(name string, b beat.Beat) {
	r.t.Helper()
	h := &host{t: r.t, hub: r.hub, dir: r.t.TempDir()}
	h.write("fleet.creds", string(r.hub.Creds(name)))
	send := func(c *hub.Conn) bool {
		if c.Health().Connected.IsZero() {
			return false
		}
		c.Beat(beat.Encode(b))
		return slices.ContainsFunc(r.hub.Look().Heartbeats, func(got hub.Heartbeat) bool { return got.Name == fleet.Name(name) })
	}
	h.connected(send)
}

// seen is when the hub got the heartbeat of a host.
func (r *roll) seen(name fleet.Name) time.Time {
	r.t.Helper()
	for _, b := range r.hub.Look().Heartbeats {
		if b.Name == name {
			return b.At
		}
	}
	r.t.Fatalf("%s is not heard", name)
	return time.Time{}
}

// TestReadHub: the operator sees how all hosts are that were added, the worst first, and what is wrong with
// the hub itself.
func TestReadHub(t *testing.T) {
	r := newRoll(t)
	well := beat.Beat{Version: "1.4.0", Agent: true, Protected: true, Sequence: 1 << 40}
	open := well
	open.Protected, open.Problems = false, []string{beat.NoDrop}
	old := well
	old.Version = "1.3.9"
	r.says("acme_silent", well)
	r.says("acme_fine1", well)
	r.says("acme_fine2", well)
	r.says("zeta_old", old)
	r.says("zeta_open", open)
	r.says("zeta_gone", open)
	r.hub.Creds("beta_never")
	r.hub.Revoke("zeta_gone")
	r.save()
	now := r.seen("acme_silent").Add(beat.SilentAfter)
	s, err := ReadHub(t.Context(), r.opts, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range s.Hosts {
		got = append(got, h.Name.String()+" "+string(h.State))
		if wants := h.Name != "beta_never"; (h.Heartbeat != nil) != wants || h.Seen.IsZero() == wants {
			t.Errorf("%+v", h)
		}
	}
	want := []string{
		"zeta_open unprotected", "acme_silent silent", "beta_never never-seen", "zeta_old other-version", "acme_fine1 fine", "acme_fine2 fine", "zeta_gone revoked",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.Look != 4 || !s.Unprotected() || !s.Keeper || !s.Answers || len(s.Problems) > 0 {
		t.Errorf("%+v; %v", s, s.Problems)
	}

	// What "fleet init" says of it, where no systemd starts it.
	ready := func(want bool) {
		t.Helper()
		h := &hubRun{HubOptions: r.opts}
		h.DryRun = true
		unlock, err := h.openThere(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		unlock()
		if is, err := h.awaitStreams(t.Context()); err != nil || is != want || is == (len(h.notes) == 1) {
			t.Errorf("the hub is ready: %v, %q, %v", is, h.notes, err)
		}
	}
	ready(true)
	t.Log("without what keeps the streams, and without streams")
	r.hub.EndKeeper()
	problems := func(reasons ...string) {
		t.Helper()
		var got []string
		for _, p := range s.Problems {
			got = append(got, p.Reason)
			if p.Remedy == "" {
				t.Errorf("no remedy: %+v", p)
			}
		}
		if !slices.Equal(got, reasons) {
			t.Errorf("%q, want %q: %+v", got, reasons, s.Problems)
		}
	}
	if !testpoll.Until(time.Minute, func() bool {
		s, err = ReadHub(t.Context(), r.opts, now)
		return err == nil && !s.Keeper
	}) {
		t.Fatalf("%+v, %v", s, err)
	}
	problems("keeper")
	ready(false)
	r.hub.Lose()
	r.hub.Run()
	if s, err = ReadHub(t.Context(), r.opts, now); err != nil {
		t.Fatal(err)
	}
	problems("keeper", "stream", "stream", "stream")
	r.hub.Kill()
	if s, err = ReadHub(t.Context(), r.opts, now); err != nil || s.Answers || s.Look != 0 || s.Hosts[0].State != beat.Unknown {
		t.Errorf("%+v, %v", s, err)
	}
	problems("hub")
}
