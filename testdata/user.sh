#!/bin/sh
# Runs a command as an ordinary user, in a PID namespace of its own: user.sh COMMAND [ARG ...]
# An ordinary user stays the same. Root becomes a user without any rights over the machine who
# still owns root's files, so that all folders and caches are the same. Tests do not see who has
# started them, and no process outlives them.
set -eu
as="--user --map-user=$(id -u) --map-group=$(id -g)"
if [ "$(id -u)" -eq 0 ]; then
	as="--user --map-user=1000 --map-group=1000"
	# Tests that need namespaces make a user namespace inside this one.
	if ! unshare --user --map-user=1000 --map-group=1000 unshare --user --map-root-user --net true 2>/dev/null; then
		echo "here an ordinary user may have no user namespace, so these tests run as root" >&2
		exec sh "$(dirname "$0")/alone.sh" "$@"
	fi
fi
# shellcheck disable=SC2086 # a list of words
if unshare $as --fork --pid --mount-proc true 2>/dev/null; then
	exec unshare $as --fork --pid --mount-proc --kill-child "$@"
fi
# In a container whose /proc is partly covered, only root may mount another one.
[ "$(id -u)" -ne 0 ] || exec unshare --user --map-user=1000 --map-group=1000 "$@"
exec "$@"
