package deb_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestRemovalDisconnects: prerm has voipbl taken out of Asterisk's files, passes on what is left to do, and
// says that Asterisk is still connected only where it is, and that it was only where it was.
func TestRemovalDisconnects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, lines string
		code        int
		said, still bool
	}{
		{"nothing to do", "", 0, false, false},
		{"done", "; voipbl: begin. More", 0, false, false},
		{"done, and something is left", "", 3, true, false},
		{"done, and a reload is left", "; voipbl: begin. More", 3, true, false},
		{"done but for a user of the admin's", "[voipbl]", 3, true, false},
		{"failed", "; voipbl: begin. More", 1, true, true},
		{"a broken configuration", "[voipbl]", 2, true, true},
		{"a broken configuration, and no connection", "; voipbl is not here", 2, true, false},
	} {
		// The folders are the script's own. voipbl is a stand-in.
		out, err := exec.Command("unshare", "-m", "sh", "-ec", fmt.Sprintf(`
			for d in /etc /run /var/lib; do mount -t tmpfs none $d; done
			mkdir -p /etc/asterisk/manager.d /run/voipbl /run/bin /var/lib/voipbl
			printf '#!/bin/sh\n[ "$*" = "pbx disconnect" ] || exit 0\necho what is left; exit %d\n' >/run/bin/voipbl
			printf '#!/bin/sh\nexit 1\n' >/run/bin/ischroot
			chmod 755 /run/bin/*
			printf '%%s\n' '%s' >/etc/asterisk/manager.d/voipbl.conf
			PATH=/run/bin:$PATH sh ./prerm remove`, c.code, c.lines)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, out)
		}
		if said := strings.Contains(string(out), "what is left"); said != c.said {
			t.Errorf("%s: it says\n%s", c.name, out)
		}
		ended := strings.HasPrefix(c.lines, "; voipbl: begin") && !c.still
		if again := strings.Contains(string(out), "\"voipbl pbx connect\" again"); again != ended {
			t.Errorf("%s: to be connected again: %t\n%s", c.name, again, out)
		}
		if still := strings.Contains(string(out), "still connected"); still != c.still {
			t.Errorf("%s: still connected: %t\n%s", c.name, still, out)
		}
	}
}
