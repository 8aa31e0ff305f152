#!/bin/sh
# Says what this machine lacks to run all tests: able.sh. It exits with 1 if there is something,
# and changes nothing.
set -u

lacks=0
lack() {
	[ "$lacks" -eq 0 ] && echo "the tests cannot all run here:" >&2
	lacks=1
	printf '  - %s\n    try: %s\n' "$1" "$2" >&2
}

if [ "$(id -u)" -ne 0 ]; then
	echo "not as root: tests that need root of this machine are skipped" >&2
	exit 0
fi
if ! unshare --net true 2>/dev/null; then
	lack "no network namespace can be made, and each test has one of its own" \
		"a virtual machine, or a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
fi
if ! unshare --mount true 2>/dev/null; then
	why="no mount namespace can be made"
	if ! mountpoint -q / 2>/dev/null; then
		why="the root (/) is no mount point, as in a chroot, so no mount namespace can be made"
	fi
	lack "$why, and Debian hosts are mounted in one" \
		"\"mount --bind DIR DIR\" before \"chroot DIR\"; or a virtual machine or container with CAP_SYS_ADMIN"
elif ! unshare --mount sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/lower /tmp/upper /tmp/work /tmp/all &&
	mount -t overlay -o lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/all' 2>/dev/null; then
	lack "no overlay can be mounted, and Debian hosts are mounted as one" \
		"\"modprobe overlay\"; or a virtual machine"
fi
if ! command -v apt-get >/dev/null; then
	lack "there is no apt-get, which tells the mirror that Debian hosts are built from" "Debian or Ubuntu"
fi
exit "$lacks"
