// Package testfleet runs the hub of a fleet for a test: a real nats-server with an operator's keys,
// accounts and certificate, and what keeps its stream.
package testfleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
)

// Hub is a running hub.
type Hub struct {
	*testnats.Server
	Operator *keys.Operator
	t        testing.TB
	addr     netip.Addr
	unkept   func()
	program  testnats.Program
	relays   int  // the port for relays; 0: none can connect
	forAll   bool // relays may be in the account of the hosts
}

// Start runs a hub in the network namespace of the calling goroutine, at that address of it and on
// loopback. It ends with the test.
func Start(t testing.TB, addr netip.Addr) *Hub {
	t.Helper()
	h := &Hub{t: t, addr: addr, program: testnats.Installed(t)}
	h.Server = asInItsUnit(h.program).Start(t, h.configuration)
	h.keep()
	return h
}

// asInItsUnit is the server's program in the environment that its unit gives it.
func asInItsUnit(program testnats.Program) testnats.Program {
	return append(testnats.Program{"/usr/bin/env", keys.Environment}, program...)
}

// URL is what hosts reach the hub by.
func (h *Hub) URL() string { return "tls://" + netip.AddrPortFrom(h.addr, uint16(h.Port)).String() }

// Creds returns the credentials of a new host, as in its file.
func (h *Hub) Creds(name string) []byte {
	h.t.Helper()
	n, err := fleet.ParseName(name)
	h.must(err)
	c, err := h.Operator.Add(n, time.Now())
	h.must(err)
	return c.Text()
}

// MirrorCreds is Creds for a mirror.
func (h *Hub) MirrorCreds(name string) []byte {
	h.t.Helper()
	c, err := h.Operator.AddMirror(fleet.Name(name), time.Now())
	h.must(err)
	return c.Text()
}

// Revoke takes a host's credentials back.
func (h *Hub) Revoke(name string) {
	h.t.Helper()
	h.Operator.Revoke(fleet.Name(name), time.Now())
	h.Reload(h.configuration(h.Place))
}

// Publish puts a document of the operator's on the hub.
func (h *Hub) Publish(text []byte) {
	h.t.Helper()
	c, err := h.Operator.AdminCreds()
	h.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h.must(hub.PublishDocument(ctx, []string{h.URL()}, c.Text(), text, func([]byte) error { return nil }))
}

// EndKeeper ends what keeps the streams.
func (h *Hub) EndKeeper() { h.unkept() }

// Look is what the operator sees of all hosts; nothing while the hub does not answer.
func (h *Hub) Look() hub.Survey {
	h.t.Helper()
	c, err := h.Operator.AdminCreds()
	h.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := hub.Look(ctx, []string{h.URL()}, c.Text())
	if err != nil {
		return hub.Survey{}
	}
	return *s
}

// Lose ends the hub, and takes its store away.
func (h *Hub) Lose() {
	h.t.Helper()
	h.Kill()
	h.must(os.RemoveAll(h.Store))
}

// Copy is a copy of the store of a hub that has ended.
func (h *Hub) Copy() (copied string) {
	h.t.Helper()
	copied = h.t.TempDir()
	h.must(os.CopyFS(copied, os.DirFS(h.Store)))
	return copied
}

// Restore gives the hub, which has ended, the store of a copy.
func (h *Hub) Restore(copied string) {
	h.t.Helper()
	h.must(errors.Join(os.RemoveAll(h.Store), os.CopyFS(h.Store, os.DirFS(copied))))
}

func (h *Hub) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// configuration returns the server's configuration, and writes the files that it names.
func (h *Hub) configuration(p testnats.Place) string {
	h.t.Helper()
	at := netip.AddrPortFrom(h.addr, uint16(p.Port)).String()
	if h.Operator == nil || h.Operator.Hubs[0] != at {
		var err error
		h.Operator, err = keys.New([]string{at, fmt.Sprintf("127.0.0.1:%d", p.Port)}, time.Now())
		h.must(err)
	}
	place := keys.Place{
		Listen: fmt.Sprintf("0.0.0.0:%d", p.Port), Store: p.Store,
		Certificate: filepath.Join(p.Dir, "cert.pem"), Key: filepath.Join(p.Dir, "key.pem"),
	}
	h.must(errors.Join(
		os.WriteFile(place.Certificate, []byte(h.Operator.TLS.Certificate), 0o600),
		os.WriteFile(place.Key, []byte(h.Operator.TLS.Key), 0o600),
	))
	text, err := h.Operator.Server(place)
	h.must(err)
	if h.forAll {
		text = testnats.Leafs(h.t, text, h.Operator.Members.Signed, h.Operator.Key)
	}
	return text
}

// enter moves this thread into a network namespace, unless it is there: that takes no rights.
func enter(there netns.NsHandle) error {
	now, err := netns.Get()
	if err != nil {
		return err
	}
	defer now.Close()
	if now.Equal(there) {
		return nil
	}
	return netns.Set(there)
}

// keep keeps the hub's stream until the test ends, in the caller's network namespace.
func (h *Hub) keep() {
	h.t.Helper()
	creds, err := h.Operator.KeeperCreds()
	h.must(err)
	here, err := netns.Get()
	h.must(err)
	ctx, end := context.WithCancel(context.Background())
	log := new(journal)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlocked: the thread is spoilt
		if err := enter(here); err != nil {
			h.t.Error(err)
			return
		}
		url := fmt.Sprintf("tls://127.0.0.1:%d", h.Port)
		_ = hub.Keep(ctx, hub.KeeperOptions{URLs: []string{url}, Creds: creds.Text(), Log: slog.New(slog.NewTextHandler(log, nil))}) // ends with ctx
	}()
	h.unkept = func() {
		end()
		<-ended
	}
	h.t.Cleanup(func() {
		h.unkept()
		here.Close()
		if h.t.Failed() {
			h.t.Logf("what keeps the stream:\n%s", log)
		}
	})
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
