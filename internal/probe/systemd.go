package probe

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

// HasUnit reports whether a service is installed and not masked.
func (l *Look) HasUnit(name string) bool {
	for _, dir := range unitFolders {
		path := l.Path(filepath.Join(dir, name+".service"))
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		target, _ := os.Readlink(path)
		return target != os.DevNull && info.Size() > 0 // empty, or a link there: masked
	}
	return false
}

// AtBoot reports whether systemd starts a service: a target wants or requires it
// by a link, under this name or another.
func (l *Look) AtBoot(names ...string) bool {
	for _, name := range names {
		if !l.HasUnit(name) {
			continue
		}
		for _, dir := range unitFolders {
			for _, kind := range []string{"wants", "requires"} {
				links, _ := filepath.Glob(l.Path(filepath.Join(dir, "*."+kind, name+".service")))
				if len(links) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// IsActive asks systemd whether a service is active, which one that ran and ended
// may be as well. Without systemd nothing is.
func (l *Look) IsActive(name string) bool {
	if !l.Real() || !l.Exists("/run/systemd/system") || !l.HasUnit(name) {
		return false
	}
	systemctl := l.Program("systemctl")
	if systemctl == "" {
		return false
	}
	out, _, err := l.Run(systemctl, "is-active", name+".service")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false // it says so by its exit status
	}
	l.Unknown("whether "+name+".service is active", err, "systemctl status "+name)
	return strings.TrimSpace(out) == "active"
}

// ExitStatus asks systemd what the main process of a service has ended with, if it has;
// else it is 0.
func (l *Look) ExitStatus(name string) int {
	systemctl := l.Program("systemctl")
	if !l.Real() || !l.Exists("/run/systemd/system") || systemctl == "" {
		return 0
	}
	out, _, err := l.Run(systemctl, "show", "--value", "-p", "ExecMainStatus", name+".service")
	l.Unknown("what "+name+".service has ended with", err, "systemctl status "+name)
	status, _ := strconv.Atoi(strings.TrimSpace(out))
	return status
}
