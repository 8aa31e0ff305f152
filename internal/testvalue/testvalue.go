package testvalue

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/voipbl/voipbl/config"
)

// Addrs parses addresses.
func Addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// Proc makes a folder like /proc. process adds a process to it, which has started 100*pid
// ticks after the boot.
func Proc(t testing.TB) (proc string, process func(pid, ppid int, name, environ string)) {
	t.Helper()
	proc = t.TempDir()
	return proc, func(pid, ppid int, name, environ string) {
		t.Helper()
		dir := filepath.Join(proc, fmt.Sprint(pid))
		stat := fmt.Appendf(nil, "%d (%s) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0", pid, name, ppid, 100*pid)
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "stat"), stat, 0o644),
			os.WriteFile(filepath.Join(dir, "environ"), []byte(environ), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// Config parses a configuration.
func Config(t testing.TB, yaml string) config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// PublishedFeed returns the path of a published list. Such lists are not part of this
// repository: see "make published".
func PublishedFeed(name string) string {
	return filepath.Join(os.Getenv("VOIPBL_PUBLISHED"), "feeds", name)
}

// Defaults returns the default configuration with the test's own folders.
func Defaults(t testing.TB) config.Config {
	cfg := config.Default()
	cfg.StateDir, cfg.RunDir = filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "run")
	return cfg
}

// Prefixes are the prefixes that texts have.
func Prefixes(texts ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, text := range texts {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}
