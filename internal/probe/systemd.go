package probe

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// unitFolders are the folders of systemd units, the administrator's first
// (systemd.unit(5)).
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
		return target != os.DevNull && info.Size() > 0 // masked if empty, or a link to /dev/null
	}
	return false
}

// AtBoot reports whether systemd starts a service at boot: a link of a target wants or
// requires one of the names.
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

// IsActive asks systemd whether a service is active; one that has run and ended may be,
// too. Without systemd it returns false.
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
		return false // the exit status means "not active"
	}
	l.Unknown("whether "+name+".service is active", err, "systemctl status "+name)
	return strings.TrimSpace(out) == "active"
}

// ExitStatus asks systemd for the exit status of a service's main process; 0 if it has
// not ended.
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
