package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// command runs a program that is not measured.
func command(name string, args ...string) error {
	_, err := output(name, args...)
	return err
}

// output runs a program and returns what it prints.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", cmd, err, out, &stderr)
	}
	return out, nil
}

// timed measures one run of a program under time(1), which is small: a process's peak of memory
// counts from that of the one that started it, and this one is large.
func (b *bench) timed(name string, args ...string) (page.Sample, error) {
	file := filepath.Join(b.work, "peak")
	s, err := measure(b.ctx, filepath.Join(b.work, "out"), "time", append([]string{"--quiet", "--output", file, "--format", "%M", name}, args...)...)
	if err != nil {
		return s, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	kib, err := strconv.Atoi(strings.TrimSpace(string(text[bytes.LastIndexByte(bytes.TrimSpace(text), '\n')+1:])))
	if err != nil {
		return s, fmt.Errorf("time(1) printed %q", text)
	}
	s.Peak = float64(kib) * 1024 / 1e6
	return s, nil
}

// measure runs a program whose output goes to a file. Its CPU time includes that of the processes
// that it has waited for.
func measure(ctx context.Context, out string, name string, args ...string) (page.Sample, error) {
	f, err := os.Create(out)
	if err != nil {
		return page.Sample{}, err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = f, f
	start := time.Now()
	err = cmd.Run()
	wall := time.Since(start)
	if err != nil {
		text, _ := os.ReadFile(out)
		return page.Sample{}, fmt.Errorf("%s: %w: %s", cmd, err, text[:min(len(text), 2000)])
	}
	return page.Sample{Wall: milliseconds(wall), CPU: milliseconds(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// plus adds what one process after the other used.
func plus(a, b page.Sample) page.Sample {
	return page.Sample{Wall: a.Wall + b.Wall, CPU: a.CPU + b.CPU, Peak: max(a.Peak, b.Peak)}
}
