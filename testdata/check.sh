#!/bin/sh
# Checks the code without running it: format, vet, staticcheck, shell scripts, known
# vulnerabilities. Each step says what it does; the first one that fails is the last.
set -eu

say() { printf '%s: %s\n' "$1" "$2" >&2; }

say gofmt "the format of all Go code"
wrong=$(gofmt -l .)
[ -z "$wrong" ] || { echo "$wrong" >&2; say gofmt "run \"gofmt -w\" on these"; exit 1; }

say vet "likely mistakes"
go vet ./...
go vet -tags published ./blocklist ./feeds ./packaging/fail2ban
go vet -tags man ./cmd/voipbl
go -C tools vet ./...

say stages "that each test is in one stage"
go -C tools test -count=1 ./stages

say mutants "that the files and tests of tools/mutants/rooms.go exist"
go -C tools test -count=1 ./mutants

say bench "that docs/benchmarks.md is what its results give"
go -C tools test -count=1 ./bench/...

say staticcheck "more likely mistakes, and unused code"
go tool -modfile=tools/go.mod staticcheck ./...

scripts=".ci/run packaging/deb/*.sh packaging/deb/postinst packaging/deb/postrm packaging/deb/prerm packaging/install.sh packaging/release.sh packaging/systemd/voipbl-generator testdata/*.sh"
if command -v shellcheck >/dev/null; then
	say shellcheck "the shell scripts"
	# shellcheck disable=SC2086 # patterns
	shellcheck $scripts
else
	say shellcheck "is not installed, so the shell scripts are not checked (apt install shellcheck)"
	[ "$(id -u)" -ne 0 ] # for root, install.sh has installed it
fi

say govulncheck "known vulnerabilities in called code"
if ! out=$(go tool -modfile=tools/go.mod govulncheck ./... 2>&1); then
	case $out in
	*"fetching vulnerabilities"*) say govulncheck "its database cannot be reached, so this was not checked" ;;
	*)
		echo "$out" >&2
		exit 1
		;;
	esac
fi
