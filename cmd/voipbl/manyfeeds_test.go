package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestManyFeeds cuts one list up into as many feeds as there can be, local ones and those of one
// server. They take little more than the list in one: memory, files opened, and syncs of the
// disk, which are the dearest.
func TestManyFeeds(t *testing.T) {
	const lines, feeds = 77_068, 256
	var list bytes.Buffer
	if _, err := genfeed.Write(&list, genfeed.Default(lines)); err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(strings.SplitAfter(list.String(), "\n"), func(line string) bool { return strings.HasPrefix(line, "#") })
	for _, source := range []struct {
		name, feed                           string
		opens, syncs, opensAgain, syncsAgain int // for each feed, at first and if nothing has changed
		more                                 int // memory in KiB
	}{
		{"local", "{name: f%[1]d, path: %[2]s/f%[1]d}", 6, 2, 3, 0, 3 << 10},
		{"network", "{name: f%[1]d, url: \"http://127.0.0.1:8080/f%[1]d\", insecure: true}", 8, 2, 7, 1, 5 << 10},
	} {
		t.Run(source.name, func(t *testing.T) {
			testns.Enter(t)
			dir := t.TempDir()
			server, err := startFeedServer(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer server.close()
			host := func(n int) (config string) {
				var text strings.Builder
				fmt.Fprintf(&text, "state_dir: %[1]s/state%[2]d\nrun_dir: %[1]s/run%[2]d\nfeeds:\n", dir, n)
				for i := range n {
					part := strings.Join(all[i*len(all)/n:(i+1)*len(all)/n], "")
					file := filepath.Join(dir, fmt.Sprintf("f%d", i))
					writeFile(t, file, part)
					server.set(filepath.Base(file), behaviour{"ok", file})
					fmt.Fprintf(&text, "  - "+source.feed+"\n", i, dir)
				}
				config = filepath.Join(dir, fmt.Sprintf("%d.yaml", n))
				writeFile(t, config, text.String())
				return config
			}
			one := host(1)
			oneAtFirst, oneAgain := peakOfSync(t, one), peakOfSync(t, one)
			command(t, "voipbl", "--config", one, "remove")

			many := host(feeds)
			countSync(t, many, source.opens*feeds, source.syncs*feeds)
			countSync(t, many, source.opensAgain*feeds, source.syncsAgain*feeds)
			again := peakOfSync(t, many)
			command(t, "voipbl", "--config", many, "remove")
			os.RemoveAll(filepath.Join(dir, fmt.Sprintf("state%d", feeds)))
			atFirst := peakOfSync(t, many)
			t.Logf("peak of one: %d and %d KiB; of %d: %d and %d", oneAtFirst, oneAgain, feeds, atFirst, again)
			if atFirst > oneAtFirst+source.more || again > oneAgain+source.more {
				t.Errorf("%d feeds need %d KiB more than one at first, and %d if nothing has changed", feeds, atFirst-oneAtFirst, again-oneAgain)
			}
		})
	}
}

// countSync runs a sync and counts its system calls: beside those for feeds there may be some
// for the rest.
func countSync(t *testing.T, config string, opens, syncs int) {
	t.Helper()
	rest := 200 + lookedAt(t)
	cmd := testfault.New(testfault.Fault{}, "voipbl", "--config", config, "sync")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	t.Logf("%d files opened, %d synced", cmd.Calls(testfault.Open), cmd.Calls(testfault.Fsync))
	if n := cmd.Calls(testfault.Open); n > opens+rest {
		t.Errorf("%d files are opened, not up to %d", n, opens+rest)
	}
	if n := cmd.Calls(testfault.Fsync); n > syncs+20 {
		t.Errorf("%d files are synced, not up to %d", n, syncs+20)
	}
}

// lookedAt is how many files a sync opens at most to see who is logged in: one or two for each process of
// this host, of which there may be more by then.
func lookedAt(t *testing.T) (files int) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return 2 * (len(processes) + 20)
}

// peakOfSync returns the peak memory of a sync in KiB. time(1) is small: a process's peak counts
// from that of the one that started it.
func peakOfSync(t *testing.T, config string) (kib int) {
	t.Helper()
	text := command(t, "time", "--quiet", "-f", "%M", "voipbl", "--config", config, "sync")
	if _, err := fmt.Sscan(text, &kib); err != nil {
		t.Fatalf("time(1) printed %q", text)
	}
	return kib
}

// command runs a command that succeeds, and returns its standard error.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var text bytes.Buffer
	cmd.Stderr = &text
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, &text)
	}
	return text.String()
}
