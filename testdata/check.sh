#!/bin/sh
# What can be said of the code without running it: format, vet, staticcheck, our own shell
# scripts, known vulnerabilities. Each step says what it does; the first fault ends it.
set -eu

say() { printf '%s: %s\n' "$1" "$2" >&2; }

say gofmt "the form of all Go code"
wrong=$(gofmt -l .)
[ -z "$wrong" ] || { echo "$wrong" >&2; say gofmt "run \"gofmt -w\" on these"; exit 1; }

say vet "what compiles and is likely wrong"
go vet ./...
go vet -tags published ./blocklist ./feeds ./packaging/fail2ban
go -C tools vet ./...

say stages "that each test is in one stage"
go -C tools test -count=1 ./stages

say staticcheck "the same, and what nothing uses"
go tool -modfile=tools/go.mod staticcheck ./...

scripts=".ci/run packaging/deb/*.sh packaging/deb/postinst packaging/deb/postrm packaging/deb/prerm packaging/install.sh packaging/release.sh packaging/systemd/voipbl-generator testdata/*.sh"
if command -v shellcheck >/dev/null; then
	say shellcheck "our shell scripts"
	# shellcheck disable=SC2086 # patterns
	shellcheck $scripts
else
	say shellcheck "is not installed, so our shell scripts are not checked (apt install shellcheck)"
	[ "$(id -u)" -ne 0 ] # root has installed it
fi

say govulncheck "known vulnerabilities of what the program calls"
if ! out=$(go tool -modfile=tools/go.mod govulncheck ./... 2>&1); then
	case $out in
	*"fetching vulnerabilities"*) say govulncheck "its database cannot be had from here, so nobody knows" ;;
	*)
		echo "$out" >&2
		exit 1
		;;
	esac
fi
