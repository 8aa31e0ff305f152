#!/bin/sh
# Shows the program at work on a full-size list ("make try"): try.sh VOIPBL. It uses a network
# namespace of its own, which is gone afterwards. FEED=FILE uses your list instead of a generated
# one.
set -eu

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" -eq 0 ] || { echo "make try needs root, for a network namespace of its own" >&2; exit 1; }
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	mkdir "$dir/www"
	cp "$1" "$dir/voipbl"
	go build -o "$dir/serve" ./internal/testserve
	if [ -n "${FEED:-}" ]; then
		cp "$FEED" "$dir/www/list"
	else
		go run ./internal/genfeed/genfeed -n 100000 >"$dir/www/list"
	fi
	unshare --net sh "$0" inside "$dir"
	exit
fi

dir=$2
voipbl="$dir/voipbl --config $dir/voipbl.yaml"
ip link set lo up

step() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "voipbl $*"; code=0; $voipbl "$@" || code=$?; }

"$dir/serve" 127.0.0.1:8080 "$dir/www" >"$dir/address" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
tries=0
until grep -q . "$dir/address"; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || { echo "the feed server did not start" >&2; exit 1; }
	sleep 0.05
done

# Two addresses of the list: the first stays blocked, the second is exempt.
listed=$(grep -E '^[1-9][0-9]*\.[0-9]+\.[0-9]+\.[0-9]+(/32)?$' "$dir/www/list" | grep -Ev '^(0|10|100|127|169|172|192|198|203|22[4-9]|2[3-5][0-9])\.' | sed 's,/32,,' | awk 'NR == 1 || NR == 2 || NR == 100 || NR == 200' | tail -2)
blocked=$(echo "$listed" | sed -n 1p)
trunk=$(echo "$listed" | sed -n 2p)
[ -n "$trunk" ] || { echo "the list has to have two single public addresses, to show what is done with them" >&2; exit 1; }

cat >"$dir/voipbl.yaml" <<YAML
state_dir: $dir/state
run_dir: $dir/run
feeds:
  - name: voipbl
    url: http://127.0.0.1:8080/list
    insecure: true
    max_coverage: 100%
    min_entries: 1
allow: [$trunk]
YAML

step "A list of $(grep -c '^[0-9a-fA-F]' "$dir/www/list") lines is served on loopback, and put into the kernel:"
run sync
[ "$code" -eq 0 ]

step "Again: the server has nothing newer (304), and nothing is changed:"
run sync
[ "$code" -eq 0 ]

step "A listed, an unlisted and an exempt address:"
run check "$blocked"
[ "$code" -eq 0 ]
run check 8.8.8.8 || true
run check "$trunk"
[ "$code" -eq 1 ]

step "What ipset reads back:"
echo "$ ipset list -terse voip_bl"
ipset list -terse voip_bl
ipset -q test voip_bl "$blocked" && echo "$blocked is in voip_bl"
ipset -q test voip_bl "$trunk" || echo "$trunk is not"

step "The status: rules drop the members of the sets before anything else:"
run status
[ "$code" -eq 0 ]

step "The base rules, on trial (the last lines): nobody confirms them, so they are taken back:"
sed 's/^allow/firewall: {base: true, local_networks: [192.168.1.0\/24]}\nallow/' "$dir/voipbl.yaml" >"$dir/base.yaml"
voipbl="$dir/voipbl --config $dir/base.yaml"
run firewall apply --confirm 3s --force | tail -24 # here nobody can be locked out
tries=0
while iptables-save | grep -q VOIPBL-INPUT; do
	tries=$((tries + 1))
	[ "$tries" -lt 200 ] || { echo "the rules were not taken back" >&2; exit 1; }
	sleep 0.1
done
echo "taken back: iptables has"
iptables-save | grep voipbl
voipbl="$dir/voipbl --config $dir/voipbl.yaml"

# until_ok COMMAND ... waits until a command succeeds, a minute at most.
until_ok() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || { echo "never: $*; the agent says" >&2; cat "$dir/log" >&2; exit 1; }
		sleep 0.1
	done
}

step "The agent: somebody flushes INPUT, and it restores voipbl's rules:"
echo "$ voipbl run &"
$voipbl run >"$dir/log" 2>&1 &
agent=$!
until_ok grep -q msg=protected "$dir/log"
echo "$ iptables -F INPUT"
iptables -F INPUT
until_ok sh -c 'iptables-save | grep -q voip_bl'
until_ok grep -q level=WARN "$dir/log"
sed 's/^time=[^ ]* //' "$dir/log"
echo "iptables has"
iptables-save | grep voipbl
run ban "$trunk" || true
run status | sed -n '1,/^$/d;/^$/q;p'
kill "$agent"
wait "$agent"

step "Remove everything:"
run remove
[ -z "$(ipset list -name)" ] && ! iptables-save | grep -q voipbl && echo "the kernel has no set and no rule left; the network namespace goes with this command"
