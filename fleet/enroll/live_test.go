package enroll

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// live is a machine below a folder, on which the real server runs as it would without systemd: somebody starts it.
type live struct {
	t    *testing.T
	opts HubOptions
	at   string // HOST:PORT
	end  func()
}

func newLive(t *testing.T) *live {
	t.Helper()
	testskip.UnlessRoot(t)
	l := &live{t: t, opts: machine(t), end: func() {}}
	l.opts.Wait = time.Minute
	l.at = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	program, err := exec.LookPath("nats-server")
	if err != nil {
		t.Fatal(err)
	}
	libraries, err := exec.Command("ldd", program).CombinedOutput() // it says if there are none
	if err != nil && !strings.Contains(string(libraries), "not a dynamic executable") {
		t.Fatalf("%v: %s", err, libraries)
	}
	l.copy(program, "/usr/sbin/nats-server")
	for _, word := range strings.Fields(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			l.copy(word, word)
		}
	}
	if err := os.MkdirAll(filepath.Join(l.opts.Root, storeFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

// copy copies a file of this machine below the folder.
func (l *live) copy(from, to string) {
	l.t.Helper()
	text, err := os.ReadFile(from)
	to = filepath.Join(l.opts.Root, to)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// start starts the server, and what keeps its streams.
func (l *live) start() {
	l.t.Helper()
	cmd := exec.Command("/usr/sbin/nats-server", "-c", serverConf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: l.opts.Root, Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		text, _ := os.ReadFile(filepath.Join(l.opts.Root, keeperFile))
		var k Keeper
		if json.Unmarshal(text, &k) == nil {
			_ = hub.Keep(ctx, hub.KeeperOptions{URLs: k.Hubs, Creds: []byte(k.Creds), Revoked: k.Revoked, Log: slog.New(slog.DiscardHandler)})
		}
	}()
	ended := false
	l.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		<-kept
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("nats-server:\n%s", log.String())
		}
	}
	l.t.Cleanup(l.end)
}

// inits runs "voipbl fleet init", and reports which of the notes say what.
func (l *live) inits(want int, hubs ...string) (notes string) {
	l.t.Helper()
	r, err := Init(l.t.Context(), InitOptions{HubOptions: l.opts, Hubs: hubs})
	if code(err) != want {
		l.t.Fatalf("init %q: %v, %+v", hubs, err, r)
	}
	return strings.Join(r.Notes, "\n")
}

// adds runs "voipbl fleet add", and connects as the host.
func (l *live) adds(name string, again bool) (*Added, *hub.Conn) {
	l.t.Helper()
	r, err := Add(l.t.Context(), AddOptions{HubOptions: l.opts, Name: name, Again: again, Print: func([]byte) error { return nil }})
	if err != nil {
		l.t.Fatalf("add %s: %v, %+v", name, err, r)
	}
	join, _, err := keys.ParseJoin([]byte(r.Join))
	if err != nil {
		l.t.Fatal(err)
	}
	c, err := hub.New(hub.Options{URLs: join.Hubs, Creds: []byte(join.Creds), Instance: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // it ends with ctx
	}()
	go func() {
		for {
			select {
			case <-c.Events():
			case <-ended:
				return
			}
		}
	}()
	l.t.Cleanup(func() { cancel(); <-ended })
	return r, c
}

func (l *live) until(what string, so func() bool) {
	l.t.Helper()
	if !testpoll.Until(time.Minute, so) {
		l.t.Fatalf("in vain was waited: %s", what)
	}
}

// TestVerbsAtServer: the verbs of the hub with a real server that somebody starts by hand: they say so until it is
// done, and say that a host is cut off once it is.
func TestVerbsAtServer(t *testing.T) {
	l := newLive(t)
	const first, anew = "start the server: \"nats-server", "start the server anew"
	for range 2 {
		if notes := l.inits(exit.Stale, l.at); !strings.Contains(notes, first) {
			t.Errorf("before it runs: %s", notes)
		}
	}
	l.start()
	l.until("the hub is ready", func() bool {
		r, err := Init(t.Context(), InitOptions{HubOptions: l.opts})
		return err == nil && r.Runs
	})
	_, port, err := net.SplitHostPort(l.at)
	if err != nil {
		t.Fatal(err)
	}
	other := fmt.Sprintf("localhost:%s", port)
	for i, hubs := range [][]string{{l.at, other}, nil, nil} {
		if notes := l.inits(exit.Stale, hubs...); !strings.Contains(notes, anew) {
			t.Errorf("run %d, and nobody has started it anew: %s", i, notes)
		}
	}
	l.adds("beta_pbx1", false)
	if r, err := Revoke(t.Context(), RevokeOptions{HubOptions: l.opts, Name: "beta_pbx1"}); code(err) != exit.Stale || !r.CutOff || !r.TakenOut || !strings.Contains(strings.Join(r.Notes, "\n"), anew) {
		t.Errorf("revoked before somebody has started it anew: %+v, %v", r, err)
	}
	l.end()
	l.start()
	l.until("the hub is ready", func() bool {
		r, err := Init(t.Context(), InitOptions{HubOptions: l.opts})
		return err == nil && r.Runs && len(r.Notes) == 0
	})

	_, was := l.adds("acme_pbx1", false)
	l.until("a host is connected", func() bool { return was.Health().Synced })
	dry := l.opts
	dry.DryRun = true
	would, err := Add(t.Context(), AddOptions{HubOptions: dry, Name: "acme_pbx1", Again: true})
	if err != nil {
		t.Fatal(err)
	}
	again, is := l.adds("acme_pbx1", true)
	if again.Former != 1 || !again.New {
		t.Errorf("another key: %+v", again)
	}
	if would.Former != again.Former || !slices.Equal(would.Changed, again.Changed) {
		t.Errorf("a dry run said %+v, and it was %+v", would, again)
	}
	l.until("the former key is refused, and the other one is not", func() bool { return was.Health().Refused && is.Health().Synced })
	r, err := Revoke(t.Context(), RevokeOptions{HubOptions: l.opts, Name: "acme_pbx1"})
	if err != nil || !r.CutOff || !r.TakenOut || r.Keys != 1 {
		t.Errorf("revoked: %+v, %v", r, err)
	}
	l.until("it is refused", func() bool { return is.Health().Refused })
	for range 2 { // that can be said again
		if r, err := Revoke(t.Context(), RevokeOptions{HubOptions: l.opts, Name: "acme_pbx1"}); err != nil || !r.CutOff || r.Keys != 0 {
			t.Errorf("revoked again: %+v, %v", r, err)
		}
	}

	// A site with a relay: the server listens for it once it has been started anew.
	l.adds("zeta_pbx1", false)
	to := filepath.Join(t.TempDir(), "zeta")
	made, err := Relay(t.Context(), RelayOptions{HubOptions: l.opts, Site: "zeta", Addresses: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}, To: to, Port: freePort(t)})
	if code(err) != exit.Stale || !strings.Contains(strings.Join(made.Notes, "\n"), anew) || !slices.Equal(made.Hosts, []fleet.Name{"zeta_pbx1"}) {
		t.Errorf("a relay: %+v, %v", made, err)
	}
	if notes := l.inits(exit.Stale); !strings.Contains(notes, anew) {
		t.Errorf("after the first relay: %s", notes)
	}
	l.end()
	l.start()
	l.relay(to)
	l.until("the relay is connected", func() bool { return l.hasRelay("zeta") })
	status, err := ReadHub(t.Context(), l.opts, time.Now())
	if err != nil || slices.ContainsFunc(status.Problems, isOf("stranger")) {
		t.Errorf("a connected relay is a stranger: %+v, %v", status, err)
	}
	// A second relay is taken away while it is connected, and the other one goes on. Then that one, too.
	l.adds("acme_pbx7", false)
	second := filepath.Join(t.TempDir(), "acme")
	if r, err := Relay(t.Context(), RelayOptions{HubOptions: l.opts, Site: "acme", Addresses: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}, To: second}); code(err) != exit.OK {
		t.Errorf("a second relay: %+v, %v", r, err)
	}
	l.relay(second)
	l.until("the second relay is connected", func() bool { return l.hasRelay("acme") })
	remove := RelayOptions{HubOptions: l.opts, Site: "acme", Remove: true}
	remove.DryRun = true
	if r, err := Relay(t.Context(), remove); code(err) != exit.OK || r.Removed || len(r.Changed) != 2 || !l.hasRelay("acme") {
		t.Errorf("removed, dry run: %+v, %v", r, err)
	}
	remove.DryRun = false
	gone := l.relayOf("acme")
	if r, err := Relay(t.Context(), remove); code(err) != exit.OK || !r.Removed || len(r.Changed) != 2 || l.connected(gone) || !l.hasRelay("zeta") {
		t.Errorf("removed: %+v, %v; the other one is connected: %t", r, err, l.hasRelay("zeta"))
	}
	if r, err := Relay(t.Context(), remove); code(err) != exit.OK || !r.Removed || len(r.Changed) != 0 {
		t.Errorf("removed again: %+v, %v", r, err)
	}
	gone, remove.Site = l.relayOf("zeta"), "zeta"
	if r, err := Relay(t.Context(), remove); code(err) != exit.Stale || !r.Removed || !strings.Contains(strings.Join(r.Notes, "\n"), anew) || l.connected(gone) {
		t.Errorf("the last one removed: %+v, %v", r, err)
	}
}

// relayOf is the relay of a site, as the operator's file has it.
func (l *live) relayOf(site string) keys.Relay {
	l.t.Helper()
	h := &hubRun{HubOptions: l.opts}
	unlock, err := h.openThere(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	unlock()
	r, _ := h.op.RelayOf(site)
	return r
}

// relay starts a relay's server with the files in a folder.
func (l *live) relay(folder string) {
	l.t.Helper()
	conf := filepath.Join(folder, relayConf)
	text, err := os.ReadFile(conf)
	if err == nil {
		err = os.WriteFile(conf, bytes.ReplaceAll(text, []byte("/etc/"+relaySecrets), []byte(filepath.Join(folder, relaySecrets))), relayConfMode)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("nats-server", "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("the relay:\n%s", log.String())
		}
	})
}

// hasRelay reports whether the hub's server lists the relay of a site among its connections.
func (l *live) hasRelay(site string) bool { l.t.Helper(); return l.connected(l.relayOf(site)) }

// connected reports that of a relay, which need not be in the operator's file any more.
func (l *live) connected(r keys.Relay) bool {
	h := &hubRun{HubOptions: l.opts}
	unlock, err := h.openThere(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	unlock()
	a, err := h.asker(l.t.Context())
	if err != nil {
		return false // it is just starting
	}
	defer a.Close()
	account, _ := r.AccountKey()
	is, err := a.IsConnected(l.t.Context(), account, r.Key)
	return err == nil && is
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
