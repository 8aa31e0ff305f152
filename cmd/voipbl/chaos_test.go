package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestKilledAtAnyMoment kills syncs between two lists with SIGKILL, each at a
// random moment. After each the kernel's set is exactly one of the two lists,
// the copy of the feed is whole and one of the two, and the next run, which
// starts without waiting for a lock, is not hindered.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const kills = 60
	testns.Enter(t)
	dir := t.TempDir()
	server, err := startFeedServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	cfg := filepath.Join(dir, "voipbl.yaml")
	writeFile(t, cfg, fmt.Sprintf(`state_dir: %[1]s/state
run_dir: %[1]s/run
feeds:
  - {name: far, url: "http://127.0.0.1:8080/list", insecure: true}
  - {name: near, path: %[1]s/near}
`, dir))

	// Each list is a far and a near half.
	var lists [2][2][]byte
	for i := range lists {
		for j := range lists[i] {
			spec := genfeed.Default(4000)
			spec.Seed, spec.Bogons = uint64(2*i+j+1), 0
			var buf bytes.Buffer
			if _, err := genfeed.Write(&buf, spec); err != nil {
				t.Fatal(err)
			}
			lists[i][j] = buf.Bytes()
		}
	}
	offer := func(i int) {
		writeFile(t, filepath.Join(dir, "far"), string(lists[i][0]))
		// As an editor does it: a half-written file is not what this tests.
		writeFile(t, filepath.Join(dir, "near.new"), string(lists[i][1]))
		if err := os.Rename(filepath.Join(dir, "near.new"), filepath.Join(dir, "near")); err != nil {
			t.Fatal(err)
		}
		server.set("list", behaviour{"ok", filepath.Join(dir, "far")})
	}
	// By force, since each list is another one altogether.
	sync := func() *exec.Cmd { return exec.Command("voipbl", "--config", cfg, "sync", "--force", "--wait", "0s") }

	var sums [2][sha256.Size]byte
	var length time.Duration
	for i := range lists {
		offer(i)
		start := time.Now()
		if out, err := sync().CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		length = max(length, time.Since(start))
		sums[i] = setSum(t)
	}
	if sums[0] == sums[1] {
		t.Fatal("the two lists are one")
	}

	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	killed, finished, seen := 0, 0, [2]int{}
	for n := 0; killed < kills && n < 10*kills; n++ {
		offer(n % 2)
		cmd := sync()
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration(random.Int64N(int64(length)))
		if n%25 == 24 {
			moment = time.Hour // left alone, to see how long one takes now
		}
		timer := time.AfterFunc(moment, func() { cmd.Process.Signal(syscall.SIGKILL) })
		err := cmd.Wait()
		timer.Stop()
		switch exit := (*exec.ExitError)(nil); {
		case err == nil:
			finished++
			if moment == time.Hour {
				length = time.Since(start)
			}
		case !errors.As(err, &exit) || exit.ExitCode() != -1:
			t.Fatalf("kill %d: the run was not killed but failed: %v: %s", killed, err, stderr.String())
		default:
			killed++
		}
		which := slices.Index(sums[:], setSum(t))
		if which < 0 {
			t.Fatalf("kill %d: the set is neither list", killed)
		}
		if err == nil && which != n%2 {
			t.Fatalf("kill %d: a run finished, and the set is the old one", killed)
		}
		seen[which]++
	}
	t.Logf("%d syncs of about %v killed, %d finished first; the set was list 0 %d times, list 1 %d times", killed, length, finished, seen[0], seen[1])
	if killed < kills || seen[0] == 0 || seen[1] == 0 {
		t.Errorf("the kills do not prove anything")
	}

	// The copies are whole, offline they are enough, and nothing is left over.
	server.set("list", behaviour{kind: "500"})
	if out, err := exec.Command("voipbl", "--config", cfg, "sync", "--offline").CombinedOutput(); err != nil {
		t.Errorf("offline, after the kills: %v: %s", err, out)
	}
	offer(0)
	// What a kill has left of a small file may be another process's for an hour.
	left, err := filepath.Glob(filepath.Join(dir, "state", ".*"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range left {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := sync().CombinedOutput(); err != nil {
		t.Errorf("a last sync: %v: %s", err, out)
	}
	if setSum(t) != sums[0] {
		t.Error("a last sync does not give the list")
	}
	names, err := exec.Command("ipset", "list", "-name").Output()
	if got := strings.Fields(string(names)); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), []string{"voip_ban", "voip_ban6", "voip_bl", "voip_bl6"}) {
		t.Errorf("sets left: %v, %v", got, err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains([]string{"far.list", "far.state", "near.list", "near.state", "applied.json", "config.json", "firewall.json", "hits.json", "set-names.json"}, f.Name()) {
			t.Errorf("file left: %s", f.Name())
		}
	}
}

// setSum is a checksum of the kernel's set, entries in order.
func setSum(t *testing.T) [sha256.Size]byte {
	t.Helper()
	out, err := exec.Command("ipset", "save", "voip_bl").Output()
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "add ") {
			entries = append(entries, line)
		}
	}
	slices.Sort(entries)
	return sha256.Sum256([]byte(strings.Join(entries, "")))
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
