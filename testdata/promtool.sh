#!/bin/sh
# Prints the path of promtool: the one in PATH, else one unpacked from Debian's package
# prometheus. The package is not installed, since that would start a server. Several runs at the
# same time do not disturb each other.
set -eu

if command -v promtool; then
	exit
fi
cache="${TMPDIR:-/tmp}/voipbl-promtool"

# Everybody may write to the folder above, so the cache may belong to another user.
trusted() { [ ! -L "$cache" ] && { [ -O "$cache" ] || [ "$(stat -c %u "$cache")" -eq 0 ]; }; }

if [ ! -e "$cache" ]; then
	new=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$new/deb" "$new/bin"
	download() { (cd "$new/deb" && apt-get download -qq prometheus >&2); }
	if ! download; then
		# A fresh machine has no package lists yet.
		apt-get update -qq >&2
		download
	fi
	dpkg-deb -x "$new"/deb/prometheus_*.deb "$new/deb/root"
	mv "$new/deb/root/usr/bin/promtool" "$new/bin"
	# mv never replaces a folder that is not empty: if another run was first, its
	# promtool is as good.
	mv -T "$new/bin" "$cache" 2>/dev/null || [ -x "$cache/promtool" ]
fi
if ! trusted || [ ! -x "$cache/promtool" ]; then
	echo "$cache is not ours, or has no promtool: remove it" >&2
	exit 1
fi
echo "$cache/promtool"
