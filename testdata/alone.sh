#!/bin/sh
# Runs a command in a PID namespace of its own: alone.sh COMMAND [ARG ...]
# Tests then do not see the SSH session that they are started from, which base rules would
# otherwise refuse to lock out, and no process outlives them.
set -eu
if [ "$(id -u)" -eq 0 ] && unshare --fork --pid --mount-proc true 2>/dev/null; then
	exec unshare --fork --pid --mount-proc --kill-child "$@"
fi
exec "$@"
