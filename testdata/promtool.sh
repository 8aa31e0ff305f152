#!/bin/sh
# Prints the path of promtool: the one in PATH, else one of our own, taken out of
# Debian's package prometheus. The package is not installed: that would start a
# server. Others may do the same at the same time.
set -eu

if command -v promtool; then
	exit
fi
cache="${TMPDIR:-/tmp}/voipbl-promtool"

# In a folder that everybody may write to, it may be somebody else's.
trusted() { [ ! -L "$cache" ] && { [ -O "$cache" ] || [ "$(stat -c %u "$cache")" -eq 0 ]; }; }

if [ ! -e "$cache" ]; then
	new=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$new/deb" "$new/bin"
	download() { (cd "$new/deb" && apt-get download -qq prometheus >&2); }
	if ! download; then
		# A fresh machine knows of no package yet.
		apt-get update -qq >&2
		download
	fi
	dpkg-deb -x "$new"/deb/prometheus_*.deb "$new/deb/root"
	mv "$new/deb/root/usr/bin/promtool" "$new/bin"
	# A folder with something in it is never replaced: if another run was first,
	# its promtool is as good.
	mv -T "$new/bin" "$cache" 2>/dev/null || [ -x "$cache/promtool" ]
fi
if ! trusted || [ ! -x "$cache/promtool" ]; then
	echo "$cache is not ours, or has no promtool: remove it" >&2
	exit 1
fi
echo "$cache/promtool"
