package fail2ban_test

import (
	"strings"
	"testing"
)

// TestLoads: all files are what fail2ban takes, and until somebody turns a jail on
// nothing is different.
func TestLoads(t *testing.T) {
	h := newHost(t, "nft")
	h.sh("fail2ban-client -c " + h.path("etc") + " --test")
	if dump := h.sh("fail2ban-client -c " + h.path("etc") + " -d"); strings.Contains(dump, "voipbl") {
		h.Errorf("jails are on by default:\n%s", dump)
	}
	// The logs of Asterisk need not exist.
	h.jails("[voipbl-asterisk]\nenabled = true\naction = voipbl-set[port=\"%(port)s\", protocol=\"%(protocol)s\"]\n\tvoipbl-ban\n\tvoipbl-report\n[voipbl-ssh]\nenabled = true\n")
	h.sh("fail2ban-client -c " + h.path("etc") + " --test")
	dump := h.sh("fail2ban-client -c " + h.path("etc") + " -d")
	for _, want := range []string{
		"['add', 'voipbl-asterisk', ", "['set', 'voipbl-asterisk', 'addlogpath', '" + h.path("etc/jail.d/voipbl.conf") + "'",
		"['add', 'voipbl-ssh', 'systemd']", "['set', 'voipbl-ssh', 'addaction', 'voipbl-ssh']",
		"['set', 'voipbl-asterisk', 'addaction', 'voipbl-set']", "['set', 'voipbl-asterisk', 'addaction', 'voipbl-ban']", "['set', 'voipbl-asterisk', 'addaction', 'voipbl-report']",
		"['set', 'voipbl-asterisk', 'bantime', '1d']", "['port', '5060:5061']", "['protocol', 'udp,tcp']",
	} {
		if !strings.Contains(dump, want) {
			h.Errorf("there is no %s in:\n%s", want, dump)
		}
	}
	// fail2ban takes what stands behind a blank and a semicolon for a comment. A "case"
	// without its end is how that shows.
	for line := range strings.Lines(dump) {
		if strings.Count(line, "case ") != strings.Count(line, "esac") {
			h.Errorf("something was cut off: %s", line)
		}
	}
}
