#!/bin/sh
# Installs the Debian packages that tests and benchmarks compare with and read
# back by, if they are missing: install.sh [PACKAGE ...].
set -eu

all="ipset iptables nftables iproute2 iprange time util-linux fail2ban ufw sip-tester procps debootstrap systemd-container lintian man-db bash-completion openssh-server openssh-client xz-utils bzip2 zstd"
missing=""
for package in ${*:-$all}; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "needed and not installed:$missing (run this as root, or install them)" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# What is installed for tests is not to run on this machine: they start it themselves.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
