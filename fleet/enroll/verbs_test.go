package enroll

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testdocument"
	"github.com/voipbl/voipbl/internal/testskip"
)

// machine is a folder with the files of a machine that has Debian's nats-server.
func machine(t *testing.T) HubOptions {
	t.Helper()
	root := t.TempDir()
	err := errors.Join(
		os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.MkdirAll(filepath.Join(root, "usr/sbin"), 0o755),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nnats:x:115:\n"), 0o644),
		os.WriteFile(filepath.Join(root, serverConf), []byte("host: 127.0.0.1\nport: 4222\n"), 0o644),
		os.WriteFile(filepath.Join(root, "usr/sbin/nats-server"), nil, 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	return HubOptions{Root: root, RunDir: t.TempDir()}
}

// code is the exit code that an error ends a command with.
func code(err error) int {
	if err == nil {
		return exit.OK
	}
	var e *exit.Error
	if !errors.As(err, &e) {
		return -1
	}
	return e.Code
}

// TestFleetInitTwice: the second run has nothing to do, and one after a loss restores what was lost, with the
// same keys.
func TestFleetInitTwice(t *testing.T) {
	testskip.UnlessRoot(t)
	opts := machine(t)
	dry := opts
	dry.DryRun = true
	would, err := Init(t.Context(), InitOptions{HubOptions: dry, Hubs: []string{"hub.example.net"}})
	if code(err) != exit.OK {
		t.Fatal(err)
	}
	if there, _ := read(filepath.Join(opts.Root, operator), maxFile); there != nil {
		t.Error("a dry run has made keys")
	}
	first, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: []string{"hub.example.net"}})
	if code(err) != exit.Stale || !first.New || first.Error != nil { // the server is to be started by hand
		t.Fatalf("%+v, %v", first, err)
	}
	if !slices.Equal(first.Changed, would.Changed) {
		t.Errorf("changed %q, and a dry run said %q", first.Changed, would.Changed)
	}
	text, err := os.ReadFile(filepath.Join(opts.Root, operator))
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range first.Changed {
		if lost == operator {
			continue
		}
		if err := os.Remove(filepath.Join(opts.Root, lost)); err != nil {
			t.Fatal(err)
		}
		again, err := Init(t.Context(), InitOptions{HubOptions: opts})
		if !slices.Equal(again.Changed, []string{lost}) || again.New {
			t.Errorf("%s is lost: %+v, %v", lost, again, err)
		}
		if twice, _ := Init(t.Context(), InitOptions{HubOptions: opts}); len(twice.Changed) > 0 {
			t.Errorf("%s was lost, and the run after that: %+v", lost, twice)
		}
	}
	if now, err := os.ReadFile(filepath.Join(opts.Root, operator)); err != nil || string(now) != string(text) {
		t.Errorf("the operator's file is another one: %v", err)
	}
}

// TestFleetInitAnotherName: a name by which hosts that have joined look for the hub is not left out by mistake.
func TestFleetInitAnotherName(t *testing.T) {
	testskip.UnlessRoot(t)
	opts := machine(t)
	init := func(force bool, want int, hubs ...string) *Initialized {
		t.Helper()
		r, err := Init(t.Context(), InitOptions{HubOptions: opts, Hubs: hubs, Force: force})
		if code(err) != want {
			t.Errorf("%q: %v, %+v", hubs, err, r.Error)
		}
		return r
	}
	init(false, exit.Stale, "first.example.net") // the server is to be started by hand
	init(false, exit.Stale, "old.example.net")   // nobody has joined
	if _, err := Add(t.Context(), AddOptions{HubOptions: opts, Name: "acme_pbx1", To: filepath.Join(t.TempDir(), "join")}); code(err) == exit.Usage {
		t.Fatal(err)
	}
	for _, hubs := range [][]string{{"new.example.net"}, {"old.example.net:443"}} {
		if r := init(false, exit.Usage, hubs...); r.Error == nil || !strings.Contains(r.Error.Error, "acme_pbx1") || len(r.Changed) > 0 {
			t.Errorf("%q: %+v", hubs, r)
		}
	}
	init(false, exit.Stale, "new.example.net", "old.example.net")
	init(false, exit.Usage, "new.example.net")
	init(true, exit.Stale, "new.example.net")

	key := testdocument.New(t).Key().Public().String()
	told := func() bool {
		r, _ := Init(t.Context(), InitOptions{HubOptions: opts, DocumentKey: key})
		return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, key) && strings.Contains(n, "acme_pbx1") })
	}
	if !told() || told() {
		t.Error("that hosts that have joined need the document's key is to be said once")
	}
}
