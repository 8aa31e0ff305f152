package deb_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRemovalKnowsFormerNames: postrm also reports saved rules that name sets from before a
// renaming, although "voipbl remove" forgets these names first. After a purge the watcher's user is gone, too.
func TestRemovalKnowsFormerNames(t *testing.T) {
	t.Parallel()
	// A stand-in for "voipbl remove" forgets the names; the folders are the script's own.
	out, err := exec.Command("unshare", "-m", "sh", "-ec", `
		for d in /etc /run /var/lib; do mount -t tmpfs none $d; done
		mkdir -p /etc/iptables /run/voipbl /run/bin /var/lib/voipbl
		printf '#!/bin/sh\n[ $1 != remove ] || rm /run/voipbl/set-names.json\n' >/run/bin/voipbl
		printf '#!/bin/sh\nexit 1\n' >/run/bin/ischroot
		chmod 755 /run/bin/*
		printf '{"kernel": "1", "names": [{"set":"old.bl","ban_set": "o' >/run/voipbl/set-names.json
		printf '{"kernel": "1", "names": [{"set":"old.bl","ban_set": "old_ban"}]}' >/var/lib/voipbl/set-names.json
		echo '-A INPUT -m set --match-set old_ban6 src -j DROP' >/etc/iptables/rules.v6
		echo '-A INPUT -m set --match-set oldxbl src -j DROP' >/etc/iptables/rules.v4
		PATH=/run/bin:$PATH sh ./prerm remove
		[ ! -e /run/voipbl/set-names.json ]
		sh ./postrm remove
		[ ! -e /run/voipbl ]
		printf 'root:x:0:0::/root:/bin/sh\nvoipbl-pbx:x:999:999::/:/usr/sbin/nologin\nvoipbl-fleet:x:998:998::/:/usr/sbin/nologin\n' >/etc/passwd
		printf 'root:x:0:\nvoipbl-pbx:x:999:\nvoipbl-fleet:x:998:\n' >/etc/group
		sh ./postrm purge
		if grep -E 'voipbl-(pbx|fleet)' /etc/passwd /etc/group; then exit 1; fi
		grep -q ^root: /etc/passwd`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if said := string(out); !strings.Contains(said, "/etc/iptables/rules.v6 line 1 names") || strings.Contains(said, "rules.v4") {
		t.Errorf("it says\n%s", said)
	}
}
