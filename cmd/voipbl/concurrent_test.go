package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

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

	const rounds, atOnce = 5, 8
	for range rounds {
		var running []*exec.Cmd
		var outputs [atOnce]strings.Builder
		for i := range atOnce {
			verb := "sync"
			if i%4 == 3 {
				verb = "remove"
			}
			cmd := exec.Command("voipbl", "--config", cfg, verb, "--wait", "1m")
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Start(); err != nil { // here, for the namespace is this goroutine's
				t.Fatal(err)
			}
			running = append(running, cmd)
		}
		var waiting sync.WaitGroup
		for i, cmd := range running {
			waiting.Go(func() {
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v: %v: %s", cmd.Args, err, outputs[i].String())
				}
			})
		}
		waiting.Wait()
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
