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
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
)

// disconnected are the files but for the configuration, which keeps lines that say that nothing is connected.
func (h *connectHost) disconnected() map[string]string {
	all := h.files()
	c, err := config.Parse("voipbl.yaml", []byte(strings.TrimPrefix(all["voipbl.yaml"], "-rw-r--r-- ")))
	if err != nil || c.PBX.Watched() {
		h.t.Errorf("the configuration: %v, %+v", err, c.PBX)
	}
	delete(all, "voipbl.yaml")
	return all
}

// connectHost is a host with the files of an Asterisk that does not run.
type connectHost struct {
	t   *testing.T
	dir string
}

func newConnectHost(t *testing.T) *connectHost {
	testns.Enter(t)
	h := &connectHost{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(h.dir, "host/etc/asterisk"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(h.dir, "voipbl.yaml"), fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\n", h.dir))
	writeFile(t, filepath.Join(h.dir, "host/etc/asterisk/hep.conf"), "[general]\nenabled = no")
	writeFile(t, filepath.Join(h.dir, "host/etc/asterisk/manager.conf"), "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n#include \"manager.d/*.conf\"\n")
	return h
}

// run runs "voipbl pbx" and returns how it ended.
func (h *connectHost) run(verb string, fault testfault.Fault) (cmd *testfault.Command, code int, text string) {
	if fault.N > 0 && fault.Errno == 0 {
		fault.At = func() { cmd.Process.Kill() }
	}
	args := append([]string{"--config", filepath.Join(h.dir, "voipbl.yaml"), "pbx"}, strings.Fields(verb)...)
	cmd = testfault.New(fault, "voipbl", append(args, "--root", filepath.Join(h.dir, "host"))...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	cmd.Wait()
	return cmd, cmd.ProcessState.ExitCode(), out.String()
}

// must is run for a command that does what it is to; what is left is to start the watcher.
func (h *connectHost) must(verb string) {
	if _, code, text := h.run(verb, testfault.Fault{}); code != exit.OK && code != exit.Stale {
		h.t.Errorf("%s: exit %d: %s", verb, code, text)
	}
}

// files are the texts and rights of all files, without the passwords, and without what only says who runs
// and hidden files: a killed command may leave one beside the configuration or in the state folder.
func (h *connectHost) files() map[string]string {
	all := map[string]string{}
	passwords, _ := os.ReadFile(filepath.Join(h.dir, "state/pbx.json"))
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(h.dir, path)
		text := info.Mode().String()
		if !d.IsDir() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, word := range strings.FieldsFunc(string(passwords), func(r rune) bool { return r < '0' }) {
				if len(word) > 20 {
					content = []byte(strings.ReplaceAll(string(content), word, "PASSWORD"))
				}
			}
			text += " " + strings.ReplaceAll(string(content), h.dir, "")
		}
		if !strings.HasPrefix(name, "run") && name != "state" && !strings.HasPrefix(filepath.Base(name), ".") {
			all[name] = text
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// TestConnectFaults connects and disconnects a PBX again and again, each time with another system call with
// which the command is killed, or that fails. Each file is then the old or the new one; disconnected, all is
// as it was, and nothing lies beside it; connected, all is as without the fault.
func TestConnectFaults(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ name, before, verb string }{
		{"connect", "", "connect"},
		{"copies", "", "connect --copies"},
		{"copies are added", "connect", "connect --copies"},
		{"copies are taken out", "connect --copies", "connect --copies=false"},
		{"disconnect", "connect --copies", "disconnect"},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			begin := func(t *testing.T) (h *connectHost, none, before map[string]string) {
				h = newConnectHost(t)
				none = h.disconnected()
				if v.before != "" {
					h.must(v.before)
				}
				return h, none, h.files()
			}
			h, _, _ := begin(t)
			cmd, code, text := h.run(v.verb, testfault.Fault{})
			if code != exit.OK && code != exit.Stale {
				t.Fatalf("exit %d: %s", code, text)
			}
			after := h.files()
			var faults []testfault.Fault
			for n := range 3 { // as many as there are files of Asterisk's, at most
				faults = append(faults, testfault.Fault{Kind: testfault.Open, N: n + 1, File: ".voipbl-new"})
			}
			faults = append(faults, everyCall(t, cmd, unix.EIO)...)
			eachFault(t, faults, func(t *testing.T, fault testfault.Fault) bool {
				h, none, before := begin(t)
				cmd, code, text := h.run(v.verb, fault)
				if cmd.Failed() == "" {
					return false
				}
				now := h.files()
				for name, text := range now {
					if strings.HasPrefix(name, "host/") && text != before[name] && text != after[name] && !strings.Contains(name, ".voipbl-new") {
						t.Errorf("%s is %q", name, text)
					}
				}
				if (code < 0) != isKill(fault) || strings.Contains(text, "goroutine ") {
					t.Errorf("exit %d: %s", code, text)
				}
				if code == exit.OK || code == exit.Stale {
					if d := cmp.Diff(after, now); d != "" {
						t.Errorf("exit %d, but %s", code, d)
					}
				}
				if fault.N%2 == 0 {
					h.must(v.verb)
					if d := cmp.Diff(after, h.files()); d != "" {
						t.Errorf("%s failed, and once more: %s", cmd.Failed(), d)
					}
				}
				h.must("disconnect")
				if d := cmp.Diff(none, h.disconnected()); d != "" {
					t.Errorf("%s failed, and disconnected: %s", cmd.Failed(), d)
				}
				return true
			})
		})
	}
}
