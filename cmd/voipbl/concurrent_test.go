package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestAllAtOnce starts syncs and removes at the same time: the lock puts them
// one after another, none fails, and the next sync finds things in order.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	testns.Enter(t)
	dir := t.TempDir()
	cfg := filepath.Join(dir, "voipbl.yaml")
	writeFile(t, cfg, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\n", dir))
	writeFile(t, filepath.Join(dir, "list"), "5.5.5.5\n6.6.6.6\n")

	for range 5 {
		allAtOnce(t, cfg, []string{"sync", "sync", "sync", "remove", "sync", "sync", "sync", "remove"}, exit.OK)
	}
	if out, err := exec.Command("voipbl", "--config", cfg, "sync").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("ipset", "save").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names, entries []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] == "create" {
			names = append(names, fields[1])
		} else {
			entries = append(entries, fields[2])
		}
	}
	slices.Sort(names)
	slices.Sort(entries)
	if !slices.Equal(names, []string{"voip_ban", "voip_ban6", "voip_bl", "voip_bl6"}) || !slices.Equal(entries, []string{"5.5.5.5", "6.6.6.6"}) {
		t.Errorf("sets %v with %v", names, entries)
	}
}

// allAtOnce starts verbs at the same time, and waits until all have ended with one of the exit codes.
func allAtOnce(t *testing.T, cfg string, verbs []string, codes ...int) {
	t.Helper()
	var running []*exec.Cmd
	outputs := make([]strings.Builder, len(verbs))
	for i, verb := range verbs {
		cmd := exec.Command("voipbl", slices.Concat([]string{"--config", cfg}, strings.Fields(verb), []string{"--wait", "1m"})...)
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		if err := cmd.Start(); err != nil { // here, for the namespace is this goroutine's
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	var waiting sync.WaitGroup
	for i, cmd := range running {
		waiting.Go(func() {
			if err := cmd.Wait(); !slices.Contains(codes, exitCode(err)) {
				t.Errorf("%v: %v: %s", cmd.Args, err, outputs[i].String())
			}
		})
	}
	waiting.Wait()
}

// TestConnectsAtOnce connects and disconnects a PBX at the same time: one after another, so that
// configuration and files agree after each round, and are what they were after the last disconnect.
func TestConnectsAtOnce(t *testing.T) {
	t.Parallel()
	testns.Enter(t)
	dir := t.TempDir()
	cfg, folder := filepath.Join(dir, "voipbl.yaml"), filepath.Join(dir, "host/etc/asterisk")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, cfg, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\n", dir))
	before := map[string]string{"hep.conf": "[general]\nenabled = no", "manager.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n#include \"manager.d/*.conf\"\n"}
	for name, text := range before {
		writeFile(t, filepath.Join(folder, name), text)
	}
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		return string(text)
	}
	root := " --root " + filepath.Join(dir, "host")
	for range 5 {
		allAtOnce(t, cfg, []string{
			"pbx connect" + root, "pbx connect --copies" + root, "pbx disconnect" + root, "pbx connect --copies=false" + root,
			"pbx connect --copies" + root, "pbx disconnect" + root, "pbx connect" + root, "pbx connect --copies" + root,
		}, exit.OK, exit.Stale)
		c, err := config.Parse(cfg, []byte(read(cfg)))
		if err != nil {
			t.Fatal(err)
		}
		if copies := strings.Contains(read(filepath.Join(folder, "hep.conf")), "voipbl"); copies != c.PBX.HEP.IsValid() {
			t.Errorf("copies: %t in Asterisk's file, and pbx.hep is %v", copies, c.PBX.HEP)
		}
		if user := read(filepath.Join(folder, "manager.d/voipbl.conf")) != ""; user != c.PBX.AMI.IsValid() {
			t.Errorf("the user is there: %t, and pbx.ami is %v", user, c.PBX.AMI)
		}
	}
	allAtOnce(t, cfg, []string{"pbx disconnect" + root}, exit.OK, exit.Stale)
	for name, text := range before {
		if got := read(filepath.Join(folder, name)); got != text {
			t.Errorf("%s is %q", name, got)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != len(before) {
		t.Errorf("in the folder: %v, %v", left, err)
	}
}
