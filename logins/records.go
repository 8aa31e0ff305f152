package logins

import (
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// Records say which programs keep records of logins.
type Records struct {
	Logind bool `json:"logind"` // of every session, if sshd uses PAM
	Utmp   bool `json:"utmp"`   // of sessions on a terminal; gone since Debian 13
}

// Look finds out which programs keep such records. logind learns of a session from its PAM module,
// which is in the package libpam-systemd.
func Look(l *probe.Look) Records {
	pam, _ := l.Read("/etc/pam.d/common-session")
	return Records{
		Logind: l.Exists("/run/systemd/sessions") && usesPAMSystemd(pam),
		Utmp:   l.Exists("/run/utmp"),
	}
}

func usesPAMSystemd(text string) bool {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") && strings.Contains(line, "pam_systemd.so") {
			return true
		}
	}
	return false
}
