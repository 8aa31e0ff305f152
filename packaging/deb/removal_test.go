package deb_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestRemovalStopsJails: without voipbl nobody knows who is exempt. So prerm stops the jails that ban
// with voipbl's actions, names those that only ask voipbl whom to spare, and leaves all others
// alone.
func TestRemovalStopsJails(t *testing.T) {
	t.Parallel()
	// A real fail2ban, with its own folders and network, and a stand-in for voipbl.
	cmd := exec.Command("unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", `
		ip link set lo up
		cp -r /etc/fail2ban $DIR/etc
		cp -r ../fail2ban/action.d ../fail2ban/filter.d ../fail2ban/jail.d $DIR/etc
		mount --bind $DIR/etc /etc/fail2ban
		mount -t tmpfs none /run
		mount -t tmpfs none /var/lib
		mkdir -p /run/bin /run/fail2ban /run/voipbl /var/lib/voipbl
		printf '#!/bin/sh\necho "$1 is asked"\n' >/run/bin/voipbl
		printf '#!/bin/sh\nexit 1\n' >/run/bin/ischroot
		chmod 755 /run/bin/*
		rm -f /etc/fail2ban/jail.d/defaults-debian.conf
		printf '[Definition]\ndbfile = None\nlogtarget = %s/log\n' $DIR >/etc/fail2ban/fail2ban.local
		: >$DIR/messages
		cat >/etc/fail2ban/jail.d/voipbl.local <<-END
			[DEFAULT]
			backend = polling
			[voipbl-asterisk]
			enabled = true
			[renamed]
			enabled = true
			filter = asterisk
			logpath = $DIR/messages
			action = voipbl-set[actname=iax, port=4569, protocol=udp]
			[asks]
			enabled = true
			filter = asterisk
			logpath = $DIR/messages
			ignorecommand = timeout -s KILL 5 voipbl exempt --quiet <ip>
			action = iptables-multiport[name=asks, port="5060", protocol="udp"]
			         voipbl-report
			[theirs]
			enabled = true
			filter = asterisk
			logpath = $DIR/messages
			action = iptables-multiport[name=theirs, port="5060", protocol="udp"]
		END
		export PATH=/run/bin:$PATH
		fail2ban-client start
		fail2ban-client status
		sh ./prerm remove
		fail2ban-client status
		for name in deb-systemd-helper systemd-tmpfiles modprobe; do ln -s /bin/true /run/bin/$name; done
		sh ./postinst configure 0.9.0-1
		fail2ban-client status
		[ ! -e /var/lib/voipbl/stopped-jails ]
		sh ./prerm remove >/dev/null 2>&1
		fail2ban-client stop
		sh ./postinst configure 0.9.0-1
		fail2ban-client start
		sh ./prerm remove >/dev/null 2>&1
		printf '#!/bin/sh\necho asked >>$DIR/asked\nshift; exec /usr/bin/timeout 1 "$@"\n' >/run/bin/timeout
		printf '#!/bin/sh\necho "$@" >>$DIR/asked\n' >/run/bin/deb-systemd-invoke
		ln -s /bin/false /run/bin/systemctl
		mkdir -p /run/systemd/system
		chmod 755 /run/bin/timeout /run/bin/deb-systemd-invoke
		kill -STOP $(cat /run/fail2ban/fail2ban.pid)
		sh ./postinst configure 0.9.0-1 >$DIR/hung 2>&1
		kill -CONT $(cat /run/fail2ban/fail2ban.pid)
		rm -r /run/systemd /run/bin/systemctl /run/bin/deb-systemd-invoke
		echo "while it hangs: $(paste -sd, $DIR/asked); $(grep -c 'does not answer. Its jails renamed voipbl-asterisk voipbl-asterisk-unknown, ' $DIR/hung) told"
		fail2ban-client reload >/dev/null 2>&1
		printf '#!/bin/sh\nshift; exec /usr/bin/timeout 1 "$@"\n' >/run/bin/timeout
		chmod 755 /run/bin/timeout
		kill -STOP $(cat /run/fail2ban/fail2ban.pid)
		sh ./prerm remove
		kill -CONT $(cat /run/fail2ban/fail2ban.pid)
		rm /run/bin/timeout
		sh ./prerm remove >/dev/null 2>&1
		sed -i '/^\[renamed\]/,/^action/d' /etc/fail2ban/jail.d/voipbl.local
		echo one is not configured any more
		sh ./postinst configure 0.9.0-1
		sh ./prerm remove >/dev/null 2>&1
		sed -i '/^\[voipbl-asterisk\]/,/^enabled/s/enabled.*/&\nfilter = nothing/' /etc/fail2ban/jail.d/voipbl.local
		echo one is broken
		sh ./postinst configure 0.9.0-1
		fail2ban-client stop
		printf '[voipbl-ssh]\nenabled = true\n[sshd] # Debian\nenabled = false\n' >/etc/fail2ban/jail.d/voipbl.local
		sh ./postrm remove`)
	cmd.Env = append(cmd.Environ(), "DIR="+t.TempDir())
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	said := string(text)
	var lists []string
	for _, m := range regexp.MustCompile(`Jail list:\s*(.*)`).FindAllStringSubmatch(said, -1) {
		lists = append(lists, m[1])
	}
	if got, want := strings.Join(lists, "; "), "asks, renamed, theirs, voipbl-asterisk, voipbl-asterisk-unknown; asks, theirs; asks, renamed, theirs, voipbl-asterisk, voipbl-asterisk-unknown"; got != want {
		t.Errorf("before, after and installed again there are the jails %q, want %q:\n%s", got, want, said)
	}
	_, gone, _ := strings.Cut(said, "one is not configured any more\n")
	if gone, _, _ = strings.Cut(gone, "one is broken\n"); gone == "" || strings.Contains(gone, "jails") {
		t.Errorf("of a jail that is gone from the configuration it said:\n%s", gone)
	}
	for _, want := range []string{
		"fail2ban's jails renamed voipbl-asterisk voipbl-asterisk-unknown have been stopped",
		"fail2ban's jails asks ask voipbl whom to spare",
		"remove is asked",
		"fail2ban does not answer. Its jails renamed voipbl-asterisk voipbl-asterisk-unknown, which were stopped as voipbl was",
		"fail2ban's jails voipbl-asterisk, which were stopped as voipbl was removed, could not be",
		"while it hangs: start voipbl-sets.service,start voipbl.service,asked; 1 told",
		"fail2ban runs and does not answer, so its jails go on",
		"Move what it says of [sshd] to another file",
		"To turn them off: rm /etc/fail2ban/jail.d/voipbl.local && systemctl restart fail2ban",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no word of %q:\n%s", want, said)
		}
	}
}
