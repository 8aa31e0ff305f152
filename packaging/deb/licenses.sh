#!/bin/sh
# Prints the licences of the libraries that the program for GOARCH is linked with.
set -eu

go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/voipbl |
	LC_ALL=C sort -u | while read -r module version folder; do
	echo "=== $module $version ==="
	found=""
	for file in "$folder"/LICENSE* "$folder"/COPYING* "$folder"/NOTICE* "$folder"/PATENTS*; do
		[ -f "$file" ] || continue
		found=yes
		cat "$file"
		echo
	done
	[ -n "$found" ] || { echo "$module has no licence" >&2; exit 1; }
done
terms=$(go env GOROOT)/LICENSE
echo "=== The Go standard library $(go env GOVERSION) ==="
[ ! -f "$terms" ] || cat "$terms" # Debian keeps it elsewhere: common terms of three clauses
