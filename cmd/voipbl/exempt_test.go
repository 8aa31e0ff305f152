package main

import (
	"os/exec"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
)

// BenchmarkExempt measures "voipbl exempt" as a process, compared with one that does nothing
// ("version"), with a list in the kernel. fail2ban waits for it at each line that it counts. The
// goal is 15 ms.
func BenchmarkExempt(b *testing.B) {
	testns.Enter(b)
	s := newBenchHost(b, 77_068)
	for _, args := range [][]string{{"version"}, {"exempt", "--quiet", "--config", s.config, "127.0.0.1"}} {
		b.Run(args[0], func(b *testing.B) {
			for b.Loop() {
				if out, err := exec.Command(s.program, args...).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}
