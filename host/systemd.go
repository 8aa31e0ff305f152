package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// unitFolders are where systemd finds units, what an administrator has put there
// first (systemd.unit(5)).
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// hasUnit reports whether a service is installed and not masked.
func (l *looker) hasUnit(name string) bool {
	for _, dir := range unitFolders {
		path := l.path(filepath.Join(dir, name+".service"))
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		target, _ := os.Readlink(path)
		return target != os.DevNull && info.Size() > 0 // empty, or a link there: masked
	}
	return false
}

// atBoot reports whether systemd starts a service: a target wants or requires it
// by a link, under this name or another.
func (l *looker) atBoot(names ...string) bool {
	for _, name := range names {
		if !l.hasUnit(name) {
			continue
		}
		for _, dir := range unitFolders {
			for _, kind := range []string{"wants", "requires"} {
				links, _ := filepath.Glob(l.path(filepath.Join(dir, "*."+kind, name+".service")))
				if len(links) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// isActive asks systemd whether a service is active, which one that ran and ended
// may be as well. Without systemd nothing is.
func (l *looker) isActive(name string) bool {
	if !l.real() || !l.exists("/run/systemd/system") || !l.hasUnit(name) {
		return false
	}
	systemctl := l.program("systemctl")
	if systemctl == "" {
		return false
	}
	out, _, err := l.run(systemctl, "is-active", name+".service")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false // it says so by its exit status
	}
	l.unknown("whether "+name+".service is active", err, "systemctl status "+name)
	return strings.TrimSpace(out) == "active"
}

// exitStatus asks systemd what the main process of a service has ended with, if it has;
// else it is 0.
func (l *looker) exitStatus(name string) int {
	systemctl := l.program("systemctl")
	if !l.real() || !l.exists("/run/systemd/system") || systemctl == "" {
		return 0
	}
	out, _, err := l.run(systemctl, "show", "--value", "-p", "ExecMainStatus", name+".service")
	l.unknown("what "+name+".service has ended with", err, "systemctl status "+name)
	status, _ := strconv.Atoi(strings.TrimSpace(out))
	return status
}
