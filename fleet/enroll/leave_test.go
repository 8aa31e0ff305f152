package enroll

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// host is a folder with the configuration and the key of a host that has said a ban to a hub.
type host struct {
	t    *testing.T
	hub  *testfleet.Hub
	dir  string
	opts JoinOptions
}

func newHost(t *testing.T) *host {
	testskip.UnlessRoot(t)
	h := &host{t: t, hub: testfleet.Start(t, netip.MustParseAddr("127.0.0.1")), dir: t.TempDir()}
	h.opts = JoinOptions{ConfigFile: filepath.Join(h.dir, "voipbl.yaml"), Wait: time.Minute}
	h.write("voipbl.yaml", fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfleet:\n  hub: [%[2]s]\n  creds: %[1]s/fleet.creds\n", h.dir, h.hub.URL()))
	h.write("fleet.creds", string(h.hub.Creds("acme_pbx1")))
	said := fleet.Said{Addr: netip.MustParseAddr("45.1.2.3"), Left: time.Hour, Why: "manual"}
	h.connected(func(c *hub.Conn) bool {
		c.Say(fleet.Divide([]fleet.Said{said}))
		return c.Health().Synced && c.Health().Unsaid == 0
	})
	return h
}

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// connected connects as this host until something holds, and returns what the hub had of its bans.
func (h *host) connected(holds func(*hub.Conn) bool) (bans int) {
	h.t.Helper()
	creds, err := os.ReadFile(filepath.Join(h.dir, "fleet.creds"))
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := hub.New(hub.Options{URLs: []string{h.hub.URL()}, Creds: creds, Instance: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, end := context.WithCancel(h.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // ends with ctx
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for synced := false; ; {
			select {
			case e := <-c.Events():
				switch e := e.(type) {
				case hub.Slot:
					if !synced {
						bans += len(e.Said)
					}
				case hub.Synced:
					synced = true
				}
			case <-ended:
				return
			}
		}
	}()
	if !testpoll.Until(time.Minute, func() bool { return holds(c) }) {
		h.t.Fatalf("never: %+v", c.Health())
	}
	end()
	<-read
	return bans
}

// has is how many bans the hub has of this host.
func (h *host) has() int {
	h.t.Helper()
	return h.connected(func(c *hub.Conn) bool { return c.Health().Synced })
}

// TestLeave: a host that leaves takes back what it has said, before its key goes; and one whose hub is
// away says that its bans stay there.
func TestLeave(t *testing.T) {
	h := newHost(t)
	creds, err := os.ReadFile(filepath.Join(h.dir, "fleet.creds"))
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile(h.opts.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	h.hub.Kill()
	away := h.opts
	away.Wait = 0
	r, err := Leave(t.Context(), away)
	if code(err) != exit.Stale || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "voipbl fleet revoke acme_pbx1") {
		t.Errorf("without a hub: %+v, %v", r, err)
	}
	if left, _ := os.ReadFile(filepath.Join(h.dir, "fleet.creds")); left != nil {
		t.Error("without a hub, the key stays")
	}
	h.hub.Run()
	h.write("fleet.creds", string(creds))
	h.write("voipbl.yaml", string(configuration))
	if r, err := Leave(t.Context(), h.opts); code(err) != exit.OK || len(r.Notes) != 0 || r.Name != "acme_pbx1" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := Leave(t.Context(), h.opts); code(err) != exit.OK || len(r.Changed) != 0 {
		t.Errorf("once more: %+v, %v", r, err)
	}
	h.write("fleet.creds", string(creds))
	if n := h.has(); n != 0 {
		t.Errorf("the hub has %d bans of a host that has left", n)
	}
	h.hub.Revoke("acme_pbx1")
	h.write("voipbl.yaml", string(configuration))
	if r, err := Leave(t.Context(), h.opts); code(err) != exit.OK || len(r.Notes) != 0 {
		t.Errorf("of a hub that has revoked it: %+v, %v", r, err)
	}
}
