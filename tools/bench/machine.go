package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// machine says where this runs, and beside which versions.
func machine(program string) (m page.Machine, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m = page.Machine{
		CPU: field("/proc/cpuinfo", "model name", ":"), Cores: runtime.NumCPU(),
		Memory: math.Round(float64(info.Totalram) * float64(info.Unit) / 1e9), Load: float64(info.Loads[0]) / (1 << 16),
		Kernel: fmt.Sprintf("%s %s %s", unix.ByteSliceToString(name.Sysname[:]), unix.ByteSliceToString(name.Release[:]), unix.ByteSliceToString(name.Machine[:])),
		System: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`), Voipbl: firstLine(program, "version"),
	}
	for _, tool := range []string{"ipset", "iptables", "iprange", "nft"} {
		m.Tools = append(m.Tools, firstLine(tool, "--version"))
	}
	return m, nil
}

// field returns the value of the first line of a file that has a key.
func field(file, key, separator string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if k, value, ok := strings.Cut(line, separator); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// firstLine is what a program says about its version.
func firstLine(program string, args ...string) string {
	out, _ := exec.Command(program, args...).CombinedOutput() // iprange exits with 1
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
