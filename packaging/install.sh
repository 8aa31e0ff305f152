#!/bin/sh
# "make install": the program, its configuration unless there is one, and what systemd needs.
# The .deb has more: see deb/nfpm.yaml. install.sh [DESTDIR]
set -eu
cd "$(dirname "$0")"
dest=${1:-}
install -D -m 755 ../bin/voipbl "$dest/usr/sbin/voipbl"
for unit in voipbl.service voipbl-sets.service voipbl-no-mounts.service voipbl-pbx.service voipbl-fleet.service voipbl-hub.service; do
	install -D -m 644 "systemd/$unit" "$dest/lib/systemd/system/$unit"
done
install -D -m 755 systemd/voipbl-generator "$dest/lib/systemd/system-generators/voipbl"
install -D -m 644 sysusers.d/voipbl.conf "$dest/usr/lib/sysusers.d/voipbl.conf"
install -D -m 644 tmpfiles.d/voipbl.conf "$dest/usr/lib/tmpfiles.d/voipbl.conf"
install -D -m 644 modules-load.d/voipbl.conf "$dest/usr/lib/modules-load.d/voipbl.conf"
install -D -m 644 voipbl.yaml "$dest/usr/share/voipbl/voipbl.yaml"
install -d -m 755 "$dest/etc/voipbl/blocklist.d"
[ -e "$dest/etc/voipbl/voipbl.yaml" ] || install -m 644 voipbl.yaml "$dest/etc/voipbl/"
[ -n "$dest" ] || ! [ -d /run/systemd/system ] || { systemd-sysusers voipbl.conf; systemd-tmpfiles --create voipbl.conf; systemctl daemon-reload; }
