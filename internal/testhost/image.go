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

// suite is Debian 12, or the one in the environment: TESTHOST_SUITE=trixie runs the
// tests on Debian 13. Only packages in the suite's own archive are available.
var suite = cmp.Or(os.Getenv("TESTHOST_SUITE"), Debian12)

// basePackages are in every host: packages to boot, tools that voipbl uses, and the
// dependencies of its package. Tests that need no others share one root.
var basePackages = []string{"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "ipset", "ca-certificates", "init-system-helpers"}

// image returns the folder of a root of a suite with these packages.
func image(logf func(string, ...any), suite string, packages []string) (string, error) {
	return testroot.Build(logf, testroot.Recipe{
		Suite:    suite,
		Packages: slices.Concat(basePackages, packages),
		Version:  "1",
		Finish:   stopTimers,
	})
}

// stopTimers disables timers that would try to reach a mirror.
func stopTimers(root string) error {
	for _, timer := range []string{"apt-daily.timer", "apt-daily-upgrade.timer"} {
		if err := os.Symlink("/dev/null", filepath.Join(root, "etc/systemd/system", timer)); err != nil {
			return err
		}
	}
	return nil
}

// mount mounts a root for the calling thread. systemd-nspawn refuses to work without
// /run/systemd/system. If that were made on the machine itself, package scripts there
// would believe that systemd runs.
func mount(lower string) error {
	if err := testroot.Mount(lower); err != nil {
		return err
	}
	return os.MkdirAll("/run/systemd/system", 0o755)
}
