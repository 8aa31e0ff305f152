package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/probe"
)

// TestReaders finds the jails that read a log: by its name, by a link to it, in the
// journal, in a file of syslog's.
func TestReaders(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	security := write("/var/log/asterisk/security.log", "")
	write("/etc/hostname", "pbx\n")
	write("/etc/rsyslog.d/pbx.conf", "local3.*  -/var/log/pbx\n")
	pbx := write("/var/log/pbx", "")
	link := filepath.Join(root, "link")
	if err := os.Symlink(security, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		logger string
		jail   Jail
		reads  bool
	}{
		"its name":                  {"security.log => security", Jail{Logs: []string{security}}, true},
		"a link":                    {"security.log => security", Jail{Logs: []string{"/other", link}}, true},
		"another file":              {"security.log => security", Jail{Logs: []string{pbx}}, false},
		"a file, and the journal":   {"security.log => security", Jail{JournalMatch: "_SYSTEMD_UNIT=asterisk.service"}, false},
		"with the host's name":      {"x => security\n[general]\nappendhostname=yes", Jail{Logs: []string{filepath.Join(root, "var/log/asterisk/x.pbx")}}, true},
		"syslog, and the journal":   {"syslog.local0 => security", Jail{JournalMatch: "_SYSTEMD_UNIT=asterisk.service"}, true},
		"syslog, by its identifier": {"syslog => security", Jail{JournalMatch: "SYSLOG_IDENTIFIER=asterisk"}, true},
		"syslog, all of it":         {"syslog => security", Jail{}, true},
		"syslog, sshd's journal":    {"syslog.local0 => security", Jail{JournalMatch: "_SYSTEMD_UNIT=ssh.service + _COMM=sshd"}, false},
		"syslog's file":             {"syslog.local3 => security", Jail{Logs: []string{pbx}}, true},
		"syslog's file of others":   {"syslog.local4 => security", Jail{Logs: []string{pbx}}, false},
		"the usual file":            {"syslog.local4 => security", Jail{Logs: []string{filepath.Join(root, "var/log/syslog")}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			write("/etc/asterisk/logger.conf", "[logfiles]\n"+c.logger+"\n")
			l := probe.New(t.Context(), root)
			found := lookAtAsterisk(l)
			c.jail.Name = "j"
			noteReaders(l, found, &Fail2ban{Jails: []Jail{c.jail}})
			var jails []string
			for _, log := range found.Logs {
				jails = append(jails, log.Jails...)
			}
			for _, s := range found.Syslog {
				jails = append(jails, s.Jails...)
			}
			if got := strings.Join(jails, " "); (got == "j") != c.reads || len(jails) > 1 {
				t.Errorf("read by %q: %+v, %+v", got, found.Logs, found.Syslog)
			}
		})
	}
}
