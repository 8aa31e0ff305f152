#!/bin/sh
# Installs the missing Debian packages that tests and benchmarks need: install.sh [PACKAGE ...].
# It first says what it is about to install, and asks on a terminal, unless YES is set.
set -eu

all="ipset iptables nftables iproute2 iprange time util-linux fail2ban ufw sip-tester procps debootstrap systemd-container lintian man-db bash-completion openssh-server openssh-client nats-server xz-utils bzip2 zstd curl shellcheck gcc libc6-dev"
missing=""
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $all
for package; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "needed and not installed:$missing (run this as root, or install them)" >&2
	exit 1
fi

policy=/usr/sbin/policy-rc.d
echo "these packages are missing, and are installed on this machine by apt-get:" >&2
echo "$missing" | fold -s -w 74 | sed 's/^ */  /' >&2
services=""
for package in $missing; do
	case $package in
	fail2ban) services="$services fail2ban" ;;
	openssh-server) services="$services ssh" ;;
	nats-server) services="$services nats-server" ;;
	esac
done
if [ -n "$services" ]; then
	if [ -e "$policy" ]; then
		echo "Debian starts what it installs, as your $policy allows, and at each boot:" >&2
	else
		echo "Debian would start what it installs. That is put off, but at the next boot run:" >&2
	fi
	printf ' %s\n  unless you say: systemctl disable%s\n' "$services" "$services" >&2
fi
if [ -t 0 ] && [ -t 2 ] && [ -z "${YES:-}" ]; then
	printf 'Install them? [Y/n] ' >&2
	read -r answer || answer=n
	case $answer in
	"" | y | Y | yes | Yes) ;;
	*)
		echo "nothing is installed" >&2
		exit 1
		;;
	esac
fi
export DEBIAN_FRONTEND=noninteractive
# Keep the installed services from running on this machine: tests start them themselves.
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
