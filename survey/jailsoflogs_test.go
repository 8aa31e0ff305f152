package survey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/fail2ban"
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
		jail   fail2ban.Jail
		reads  bool
	}{
		"its name":                  {"security.log => security", fail2ban.Jail{Logs: []string{security}}, true},
		"a link":                    {"security.log => security", fail2ban.Jail{Logs: []string{"/other", link}}, true},
		"another file":              {"security.log => security", fail2ban.Jail{Logs: []string{pbx}}, false},
		"a file, and the journal":   {"security.log => security", fail2ban.Jail{JournalMatch: "_SYSTEMD_UNIT=asterisk.service"}, false},
		"with the host's name":      {"x => security\n[general]\nappendhostname=yes", fail2ban.Jail{Logs: []string{filepath.Join(root, "var/log/asterisk/x.pbx")}}, true},
		"syslog, and the journal":   {"syslog.local0 => security", fail2ban.Jail{JournalMatch: "_SYSTEMD_UNIT=asterisk.service"}, true},
		"syslog, by its identifier": {"syslog => security", fail2ban.Jail{JournalMatch: "SYSLOG_IDENTIFIER=asterisk"}, true},
		"syslog, all of it":         {"syslog => security", fail2ban.Jail{}, true},
		"syslog, sshd's journal":    {"syslog.local0 => security", fail2ban.Jail{JournalMatch: "_SYSTEMD_UNIT=ssh.service + _COMM=sshd"}, false},
		"syslog's file":             {"syslog.local3 => security", fail2ban.Jail{Logs: []string{pbx}}, true},
		"syslog's file of others":   {"syslog.local4 => security", fail2ban.Jail{Logs: []string{pbx}}, false},
		"the usual file":            {"syslog.local4 => security", fail2ban.Jail{Logs: []string{filepath.Join(root, "var/log/syslog")}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			write("/etc/asterisk/logger.conf", "[logfiles]\n"+c.logger+"\n")
			l := probe.New(t.Context(), root)
			found := asterisk.Look(l)
			c.jail.Name = "j"
			noteReaders(l, found, &fail2ban.Facts{Jails: []fail2ban.Jail{c.jail}})
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
