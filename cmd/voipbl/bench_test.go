package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// BenchmarkSync measures whole processes: "voipbl sync" of a list from a file,
// into an empty kernel and where nothing changed, side by side with "ipset
// restore" of the same set with the same hashsize, which is what a user would
// take instead. The metrics are ratios of one run: x-restore of elapsed time,
// x-restore-cpu of user and system time. x-with-rules compares with ipset restore
// followed by iptables-restore and ip6tables-restore of the rule that drops the
// set's members, for sync does that too. peak-MB is the process's resident memory
// at its peak.
//
// 77,068 raw lines are 71,642 prefixes, like the VoIPBL list of April 2019. To
// reach: 0.35 into an empty kernel and 24 MB; 0.25 where nothing changed; 0.5
// and 96 MB for a million.
func BenchmarkSync(b *testing.B) {
	for _, size := range []struct {
		name  string
		lines int
	}{{"72k", 77_068}, {"1M", 1_077_000}} {
		for _, kernel := range []string{"empty", "unchanged"} {
			b.Run(size.name+"/"+kernel, func(b *testing.B) {
				testns.Enter(b)
				newSyncBench(b, size.lines).measure(b, kernel == "empty")
			})
		}
	}
}

type syncBench struct {
	program, config, restore string
	rules                    time.Duration // to restore the two rules
}

// newSyncBench makes the list, syncs it once, and saves the set as a user would
// have written it for ipset restore, without counters.
func newSyncBench(b *testing.B, lines int) *syncBench {
	b.Helper()
	dir := b.TempDir()
	var list bytes.Buffer
	if _, err := genfeed.Write(&list, genfeed.Default(lines)); err != nil {
		b.Fatal(err)
	}
	s := &syncBench{program: testbuild.Program, config: filepath.Join(dir, "voipbl.yaml"), restore: filepath.Join(dir, "restore")}
	config := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: list, path: %[1]s/list}]\n", dir)
	for name, text := range map[string][]byte{s.config: []byte(config), filepath.Join(dir, "list"): list.Bytes()} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	s.run(b, s.program, "--config", s.config, "sync")
	out, err := exec.Command("ipset", "save", "voip_bl").Output()
	if err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer(" packets 0 bytes 0", "", " voip_bl ", " other ").Replace(string(out))
	if err := os.WriteFile(s.restore, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	s.rules = s.restoreRules(b, dir)
	return s
}

// restoreRules measures how long a user takes to put in the rules that drop what is
// in the sets. It leaves nothing behind, for each change of a rule makes the next
// sync read them all.
func (s *syncBench) restoreRules(b *testing.B, dir string) time.Duration {
	b.Helper()
	const rounds = 5
	rule := []string{"INPUT", "-m", "set", "--match-set", "", "src", "-j", "DROP"}
	var elapsed time.Duration
	for range rounds {
		for tool, set := range map[string]string{"iptables": "voip_bl", "ip6tables": "voip_bl6"} {
			rule[4] = set
			file := filepath.Join(dir, "rules")
			text := "*filter\n-I " + strings.Join(rule, " ") + "\nCOMMIT\n"
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
			elapsed += s.run(b, tool+"-restore", "--noflush", file).elapsed
			s.run(b, tool, append([]string{"-D"}, rule...)...)
		}
	}
	s.run(b, s.program, "--config", s.config, "sync")
	return elapsed / rounds
}

// usage is what one process used.
type usage struct {
	elapsed, cpu time.Duration
	withRules    time.Duration
	peak         int // KiB
}

// run runs a program under time(1), which is small: a process's peak counts
// from that of the one that started it, and a benchmark is large.
func (s *syncBench) run(b *testing.B, program string, args ...string) usage {
	b.Helper()
	cmd := exec.Command("time", append([]string{"--quiet", "-f", "%M", program}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v: %s", program, err, &stderr)
	}
	u := usage{elapsed: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if _, err := fmt.Sscan(stderr.String(), &u.peak); err != nil {
		b.Fatalf("time(1) printed %q", &stderr)
	}
	return u
}

func (s *syncBench) measure(b *testing.B, empty bool) {
	var ours, theirs usage
	for b.Loop() {
		b.StopTimer()
		exec.Command("ipset", "destroy", "other").Run() // it may not be there
		if empty {
			s.run(b, s.program, "--config", s.config, "remove")
		}
		b.StartTimer()
		u := s.run(b, s.program, "--config", s.config, "sync")
		ours.elapsed, ours.cpu, ours.peak = ours.elapsed+u.elapsed, ours.cpu+u.cpu, max(ours.peak, u.peak)

		b.StopTimer()
		u = s.run(b, "ipset", "restore", "-file", s.restore)
		theirs.elapsed, theirs.cpu = theirs.elapsed+u.elapsed, theirs.cpu+u.cpu
		theirs.withRules += u.elapsed + s.rules
		b.StartTimer()
	}
	b.ReportMetric(ours.elapsed.Seconds()/theirs.elapsed.Seconds(), "x-restore")
	b.ReportMetric(ours.elapsed.Seconds()/theirs.withRules.Seconds(), "x-with-rules")
	b.ReportMetric(ours.cpu.Seconds()/theirs.cpu.Seconds(), "x-restore-cpu")
	b.ReportMetric(float64(ours.peak)*1024/1e6, "peak-MB")
}

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
					s := newSyncBench(b, host.entries)
					if beside == "agent" {
						s.startAgent(b)
					}
					args := []string{"--config", s.config, "ban", "--for", "1h", "--reason", "fail2ban voipbl-asterisk"}
					for n := range host.bans {
						if args = append(args, fmt.Sprintf("9.%d.%d.%d", n>>16, n>>8&255, n&255)); len(args) == 2000 || n == host.bans-1 {
							s.run(b, s.program, args...)
							args = args[:7]
						}
					}
					var u usage
					n := 0
					for b.Loop() {
						n++
						one := s.run(b, s.program, append(args[:7], fmt.Sprintf("8.%d.%d.%d", n>>16, n>>8&255, n&255))...)
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

// startAgent starts an agent, and waits until it answers.
func (s *syncBench) startAgent(b *testing.B) {
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
