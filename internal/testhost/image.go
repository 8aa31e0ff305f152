package testhost

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
// dependencies of its package. Tests that need no others share one root, to which the roots of others add.
var basePackages = []string{"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "ipset", "ca-certificates", "init-system-helpers"}

// Recipe is for the root of a host with these packages.
func Recipe(suite string, packages ...string) testroot.Recipe {
	return testroot.Recipe{
		Suite:    suite,
		Base:     basePackages,
		Packages: packages,
		Version:  "1",
		Finish:   stopTimers,
	}
}

// stopTimers disables timers that would try to reach a mirror.
func stopTimers(root string) error {
	for _, timer := range []string{"apt-daily.timer", "apt-daily-upgrade.timer"} {
		if err := os.Symlink("/dev/null", filepath.Join(root, "etc/systemd/system", timer)); err != nil && !errors.Is(err, fs.ErrExist) {
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
