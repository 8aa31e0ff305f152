package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/tools/benchmark/parse"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// stepPackages are those that have benchmarks of a step.
var stepPackages = []string{"./cidr", "./feeds", "./ipsetsync", "./ruleset", "./iptables", "./firewall", "./iptwalk", "./reach", "./bans"}

// steps runs the benchmarks of the packages, and of short commands as processes.
func (b *bench) steps(r *page.Results) error {
	if err := b.step(r, ".", stepPackages...); err != nil || b.quick {
		return err
	}
	return b.step(r, "^Benchmark(Ban|Exempt)$", "./cmd/voipbl")
}

// step runs benchmarks, and adds what they say.
func (b *bench) step(r *page.Results, which string, packages ...string) error {
	time := "0.5s"
	if b.quick {
		time = "1x"
	}
	steps, err := b.goBench(which, time, packages...)
	r.Steps = append(r.Steps, steps...)
	return err
}

// goBench runs benchmarks of packages, each for a time or so many times.
func (b *bench) goBench(which, time string, packages ...string) ([]page.Step, error) {
	cmd := exec.CommandContext(b.ctx, "go", append([]string{"test", "-run", "^$", "-bench", which, "-benchmem", "-benchtime", time, "-timeout", "30m"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return parseSteps(string(out))
}

// parseSteps reads what "go test -bench" prints.
func parseSteps(out string) (steps []page.Step, err error) {
	pkg := ""
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = strings.TrimSpace(strings.TrimPrefix(name, "github.com/voipbl/voipbl/"))
			continue
		}
		if !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		one, err := parse.ParseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		steps = append(steps, page.Step{
			Package: pkg, Name: stepName(one.Name), Nanos: one.NsPerOp, Bytes: int64(one.AllocedBytesPerOp), Allocs: int64(one.AllocsPerOp), Own: ownFigures(line),
		})
	}
	return steps, nil
}

// stepName is the name of a benchmark without what says how it ran.
func stepName(name string) string {
	name = strings.TrimPrefix(name, "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	return name
}

// ownFigures are those with units that "go test" does not know.
func ownFigures(line string) map[string]float64 {
	own := map[string]float64{}
	words := strings.Fields(line)
	for i := 2; i+1 < len(words); i += 2 {
		switch unit := words[i+1]; unit {
		case "ns/op", "B/op", "allocs/op", "MB/s":
		default:
			var value float64
			if _, err := fmt.Sscan(words[i], &value); err == nil {
				own[unit] = value
			}
		}
	}
	if len(own) == 0 {
		return nil
	}
	return own
}
