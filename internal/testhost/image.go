package testhost

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"

	"github.com/voipbl/voipbl/internal/testroot"
)

// The suites of Debian that tests name.
const (
	Debian12 = "bookworm"
	Debian13 = "trixie"
)

// suite is Debian 12, or what the environment asks for: TESTHOST_SUITE=trixie tries
// the same on Debian 13. What is not in the suite's own archive cannot be had.
var suite = cmp.Or(os.Getenv("TESTHOST_SUITE"), Debian12)

// basePackages are in every host: what boots, what our program works on, and what its package
// depends on. So whoever needs no more shares one root.
var basePackages = []string{"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "ipset", "ca-certificates", "init-system-helpers"}

// image is the folder of a root of a suite with these packages.
func image(logf func(string, ...any), suite string, packages []string) (string, error) {
	return testroot.Build(logf, testroot.Recipe{
		Suite:    suite,
		Packages: slices.Concat(basePackages, packages),
		Version:  "1",
		Finish:   stopTimers,
	})
}

// stopTimers takes away what would try to reach a mirror.
func stopTimers(root string) error {
	for _, timer := range []string{"apt-daily.timer", "apt-daily-upgrade.timer"} {
		if err := os.Symlink("/dev/null", filepath.Join(root, "etc/systemd/system", timer)); err != nil {
			return err
		}
	}
	return nil
}

// mount mounts a root for the calling thread. systemd-nspawn refuses to work
// without /run/systemd/system, and making that on the machine itself would let
// package scripts there believe that systemd runs.
func mount(lower string) error {
	if err := testroot.Mount(lower); err != nil {
		return err
	}
	return os.MkdirAll("/run/systemd/system", 0o755)
}
