package survey

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/internal/probe"
)

// noteReaders notes which jails of fail2ban read which logs of Asterisk.
func noteReaders(l *probe.Look, a *asterisk.Facts, f *fail2ban.Facts) {
	if a == nil || f == nil {
		return
	}
	for i, log := range a.Logs {
		for _, j := range f.Jails {
			if slices.ContainsFunc(j.Logs, func(file string) bool { return sameFile(l, log.File, file) }) {
				a.Logs[i].Jails = append(a.Logs[i].Jails, j.Name)
			}
		}
	}
	for i, s := range a.Syslog {
		files := syslogFiles(l, s.Facility)
		for _, j := range f.Jails {
			reads := len(j.Logs) == 0 && (j.JournalMatch == "" || strings.Contains(strings.ToLower(j.JournalMatch), "asterisk"))
			if reads || slices.ContainsFunc(files, func(file string) bool {
				return slices.ContainsFunc(j.Logs, func(log string) bool { return sameFile(l, file, log) })
			}) {
				a.Syslog[i].Jails = append(a.Syslog[i].Jails, j.Name)
			}
		}
	}
}

// sameFile reports whether a file of the host is the one that fail2ban names, perhaps through a
// link.
func sameFile(l *probe.Look, name, real string) bool {
	path := l.Path(name)
	if filepath.Clean(real) == path || filepath.Clean(real) == filepath.Clean(name) {
		return true
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(real)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// These are rsyslog's files, and the files to which distributions have syslog write every facility.
var (
	rsyslogFiles = []string{"/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf"}
	usualSyslogs = []string{"/var/log/syslog", "/var/log/messages"}
)

// syslogFiles returns the files to which syslog writes a facility.
func syslogFiles(l *probe.Look, facility string) []string {
	files := slices.Clone(usualSyslogs)
	for _, pattern := range rsyslogFiles {
		paths, _ := filepath.Glob(l.Path(pattern))
		for _, path := range paths {
			text, err := probe.ReadFile(path)
			l.Unknown("what "+path+" writes", err, "look at it")
			files = append(files, rsyslogTargets(text, facility)...)
		}
	}
	return files
}

// rsyslogTargets returns the files that a facility goes to, from lines "SELECTOR [-]FILE"
// (rsyslog.conf(5)). Selectors are joined by ";", facilities by ","; "none" excludes a facility.
func rsyslogTargets(text, facility string) []string {
	var files []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 2 || !strings.HasPrefix(strings.TrimPrefix(words[1], "-"), "/") {
			continue
		}
		goes := false
		for selector := range strings.SplitSeq(words[0], ";") {
			facilities, priority, _ := strings.Cut(strings.ToLower(selector), ".")
			if names := strings.Split(facilities, ","); slices.Contains(names, facility) || slices.Contains(names, "*") {
				goes = priority != "none"
			}
		}
		if goes {
			files = append(files, strings.TrimPrefix(words[1], "-"))
		}
	}
	return files
}
