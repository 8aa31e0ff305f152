package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
)

// fleetHost is a host with a configuration, on which a hub's files are below a folder. No server runs.
type fleetHost struct {
	t   *testing.T
	dir string
}

func newFleetHost(t *testing.T) *fleetHost {
	testns.Enter(t)
	h := &fleetHost{t, t.TempDir()}
	for _, folder := range []string{"hub/etc", "hub/usr/sbin", "etc"} {
		if err := os.MkdirAll(h.at(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, h.at("etc/voipbl.yaml"), fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfleet:\n  creds: %[1]s/etc/fleet.creds\n", h.dir))
	writeFile(t, h.at("hub/etc/group"), "root:x:0:\nnats:x:0:\n")
	writeFile(t, h.at("hub/usr/sbin/nats-server"), "")
	if err := os.Chmod(h.at("hub/usr/sbin/nats-server"), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *fleetHost) at(name string) string { return filepath.Join(h.dir, name) }

// run runs "voipbl fleet" and returns how it ended.
func (h *fleetHost) run(verb string, fault testfault.Fault) (cmd *testfault.Command, code int, text string) {
	if fault.N > 0 && fault.Errno == 0 {
		fault.At = func() { cmd.Process.Kill() }
	}
	words := strings.Fields(strings.NewReplacer("HUB", "--root "+h.at("hub"), "JOIN", h.at("etc/join")).Replace(verb))
	cmd = testfault.New(fault, "voipbl", append([]string{"--config", h.at("etc/voipbl.yaml"), "fleet"}, words...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	cmd.Wait()
	return cmd, cmd.ProcessState.ExitCode(), out.String()
}

// must is run for a command that does what it is to; what is left is to start server and processes.
func (h *fleetHost) must(verb string) {
	h.t.Helper()
	_, code, text := h.run(verb, testfault.Fault{})
	unseen := code == exit.NotApplied && strings.Contains(text, "the server of the hub does not run") // a revocation, which is written down
	if code != exit.OK && code != exit.Stale && !unseen {
		h.t.Errorf("%s: exit %d: %s", verb, code, text)
	}
}

// whole checks all files after a verb has succeeded, whatever was before it.
func (h *fleetHost) whole(verb string) {
	h.t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(h.at(name))
		if err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
		return text
	}
	cfg, err := config.Parse("voipbl.yaml", read("etc/voipbl.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	op, err := keys.ReadOperator(read("hub/etc/voipbl-fleet/fleet.json"))
	if err != nil {
		h.t.Fatalf("after %s the operator's file is not whole: %v", verb, err)
	}
	server := string(read("hub/etc/nats-server.conf"))
	for name, is := range map[string]bool{
		"the server's operator": strings.Contains(server, "operator: "+op.Signed), "the accounts of hosts": strings.Contains(server, op.Members.Signed),
		"the certificate": string(read("hub/etc/voipbl-fleet/tls.crt")) == op.TLS.Certificate, "its key": string(read("hub/etc/voipbl-fleet/tls.key")) == op.TLS.Key,
	} {
		if !is {
			h.t.Errorf("after %s, %s is not what the operator's file says", verb, name)
		}
	}
	if text := read("etc/join"); text != nil {
		_, creds, err := keys.ParseJoin(text)
		if err != nil {
			h.t.Fatalf("after %s the join file is not whole: %v", verb, err)
		}
		if host, ok := op.Active("acme_pbx1"); !ok || host.Key != creds.Key {
			h.t.Errorf("after %s the join file has a key that is not the host's: %+v", verb, op.Hosts)
		}
	}
	creds := read("etc/fleet.creds")
	if _, err := keys.ParseCreds(creds); (err == nil) != cfg.Fleet.On() {
		h.t.Errorf("after %s the host's hubs are %q and its key %q", verb, cfg.Fleet.Hubs, creds)
	}
	err = filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".voipbl-new") {
			h.t.Errorf("after %s, %s is still there", verb, path)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestFleetFaults runs the verbs that need no server again and again, each time with another system call
// with which the command is killed, or that fails. The configuration is the old or the new one then, and
// the command run once more leaves all as it should be.
func TestFleetFaults(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name   string
		before []string
		verb   string
		redo   string // what goes on after a fault, if it is not the same
	}{
		{"init", nil, "init hub.example.net HUB", ""},
		{"another name", []string{"init hub.example.net HUB"}, "init other.example.net HUB", ""},
		{"add", []string{"init hub.example.net HUB"}, "add acme_pbx1 -o JOIN HUB", "add acme_pbx1 --again -o JOIN HUB"},
		{"join", []string{"init hub.example.net HUB", "add acme_pbx1 -o JOIN HUB"}, "join JOIN --wait 0", ""},
		{"leave", []string{"init hub.example.net HUB", "add acme_pbx1 -o JOIN HUB", "join JOIN --wait 0"}, "leave --wait 0", ""},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			begin := func(t *testing.T) *fleetHost {
				h := newFleetHost(t)
				for _, verb := range v.before {
					h.must(verb)
				}
				return h
			}
			h := begin(t)
			cmd, code, text := h.run(v.verb, testfault.Fault{})
			if code != exit.OK && code != exit.Stale {
				t.Fatalf("exit %d: %s", code, text)
			}
			h.whole(v.verb)
			eachFault(t, everyCall(t, cmd, unix.ENOSPC), func(t *testing.T, fault testfault.Fault) bool {
				h := begin(t)
				before, _ := os.ReadFile(h.at("etc/voipbl.yaml"))
				cmd, code, text := h.run(v.verb, fault)
				if cmd.Failed() == "" {
					return false
				}
				if (code < 0) != isKill(fault) || strings.Contains(text, "goroutine ") {
					t.Errorf("exit %d: %s", code, text)
				}
				if code == exit.OK || code == exit.Stale {
					h.whole(v.verb)
				}
				if now, err := os.ReadFile(h.at("etc/voipbl.yaml")); err != nil || string(now) != string(before) {
					if _, err := config.Parse("", now); err != nil || !strings.Contains(string(now), "fleet.creds") {
						t.Errorf("the configuration: %v, %s", err, cmp.Diff(string(before), string(now)))
					}
				}
				redo := v.verb
				if _, err := os.Stat(h.at("etc/join")); v.redo != "" && code != exit.OK && err != nil {
					redo = v.redo
					if _, code, _ := h.run(v.verb, testfault.Fault{}); code == exit.OK {
						redo = v.verb // there was no key yet
					}
				}
				h.must(redo)
				h.whole(redo)
				return true
			})
		})
	}
}
