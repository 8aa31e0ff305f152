package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/state"
)

// BenchmarkBan measures whole processes: "voipbl ban" of one address, with and without an agent, on
// hosts whose list is empty, has a million entries, or has these and 60,000 bans. The metrics are
// the time, the CPU time, and its ratio to that on a host with an empty list, each with its limit.
func BenchmarkBan(b *testing.B) {
	hosts := []struct {
		name          string
		entries, bans int
	}{{"empty", 1, 0}, {"1M", 1_077_000, 0}, {"1M and 60000 bans", 1_077_000, 60_000}}
	for _, beside := range []string{"alone", "agent"} {
		b.Run(beside, func(b *testing.B) {
			var empty time.Duration
			for _, host := range hosts {
				b.Run(host.name, func(b *testing.B) {
					testns.Enter(b)
					s := newBenchHost(b, host.entries)
					if beside == "agent" {
						s.startAgent(b)
					}
					args := []string{"ban", "--for", "1h", "--reason", "fail2ban voipbl-asterisk"}
					for n := range host.bans {
						if args = append(args, fmt.Sprintf("9.%d.%d.%d", n>>16, n>>8&255, n&255)); len(args) == 2000 || n == host.bans-1 {
							s.run(b, args...)
							args = args[:5]
						}
					}
					var u usage
					n := 0
					for b.Loop() {
						n++
						one := s.run(b, append(args[:5], fmt.Sprintf("8.%d.%d.%d", n>>16, n>>8&255, n&255))...)
						u.elapsed, u.cpu = u.elapsed+one.elapsed, u.cpu+one.cpu
					}
					if empty == 0 {
						empty = u.cpu / time.Duration(n)
					}
					b.ReportMetric(float64(u.elapsed.Microseconds())/1000/float64(n), "ms")
					b.ReportMetric(float64(u.cpu.Microseconds())/1000/float64(n), "ms-cpu")
					b.ReportMetric(40, "ms-to-hold")
					b.ReportMetric(u.cpu.Seconds()/float64(n)/empty.Seconds(), "x-empty-cpu")
					b.ReportMetric(1, "x-to-hold")
				})
			}
		})
	}
}

// BenchmarkSeen measures the time from a request on the agent's socket for what watches the PBX until
// the ban is in the kernel and written down, on a host whose list has a million entries. It bans at
// most as many as may be at once: -benchtime 150x.
func BenchmarkSeen(b *testing.B) {
	testns.Enter(b)
	s := newBenchHost(b, 1_077_000)
	s.startAgent(b)
	n, longest := 0, time.Duration(0)
	for b.Loop() {
		n++
		r := bans.SeenRequest{Bans: []bans.Seen{{Addr: netip.AddrFrom4([4]byte{8, 8, byte(n >> 8), byte(n)}), For: time.Hour, Evidence: "3 wrong passwords, proved"}}}
		var a bans.SeenAnswer
		begun := time.Now()
		if err := state.TellPBX(b.Context(), filepath.Join(filepath.Dir(s.config), "run"), bans.SeenPath, time.Minute, r, &a); err != nil || a.Banned != 1 || a.Problem != nil {
			b.Fatalf("number %d: %v, %+v", n, err, a)
		}
		longest = max(longest, time.Since(begun))
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
	b.ReportMetric(20, "ms-to-hold")
}

// benchHost is a host with a list in the kernel.
type benchHost struct{ program, config string }

// newBenchHost makes a list and syncs it.
func newBenchHost(b *testing.B, lines int) *benchHost {
	b.Helper()
	dir := b.TempDir()
	var list bytes.Buffer
	if _, err := genfeed.Write(&list, genfeed.Default(lines)); err != nil {
		b.Fatal(err)
	}
	s := &benchHost{program: testbuild.Program, config: filepath.Join(dir, "voipbl.yaml")}
	config := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: list, path: %[1]s/list}]\n", dir)
	for name, text := range map[string][]byte{s.config: []byte(config), filepath.Join(dir, "list"): list.Bytes()} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	s.run(b, "sync")
	return s
}

// usage is what one process used.
type usage struct{ elapsed, cpu time.Duration }

// run runs voipbl.
func (s *benchHost) run(b *testing.B, args ...string) usage {
	b.Helper()
	cmd := exec.Command(s.program, append([]string{"--config", s.config}, args...)...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", cmd, err, out)
	}
	return usage{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

// startAgent starts an agent, and waits until it answers.
func (s *benchHost) startAgent(b *testing.B) {
	b.Helper()
	cmd := exec.Command(s.program, "--config", s.config, "run")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if !testpoll.Until(time.Minute, func() bool {
		out, _ := exec.Command(s.program, "--config", s.config, "status").Output()
		return bytes.Contains(out, []byte("running since"))
	}) {
		b.Fatal("the agent does not answer")
	}
}
