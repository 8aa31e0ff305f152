#!/bin/sh
# Makes voipbl_VERSION_ARCH.deb in OUT (dist) for each ARCH: build.sh ARCH ...
# The version and all times are from packaging/deb/changelog, unless DEB_VERSION and
# SOURCE_DATE_EPOCH say otherwise, so the same source gives the same bytes.
set -eu

changelog=packaging/deb/changelog
DEB_VERSION=${DEB_VERSION:-$(sed -n '1s/^voipbl (\(.*\)) .*/\1/p' $changelog)}
DEB_MAINTAINER=$(sed -n 's/^ -- \(.*>\)  .*/\1/p' $changelog | head -n 1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date -d "$(sed -n 's/^ -- .*>  //p' $changelog | head -n 1)" +%s)}
OUT=${OUT:-dist}
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
export DEB_VERSION DEB_MAINTAINER SOURCE_DATE_EPOCH STAGE

# Manual pages and completions, the same for every processor.
go run -buildvcs=false -tags man -ldflags "-X main.version=$DEB_VERSION" ./cmd/voipbl "$STAGE/pages" "$STAGE/completions"
for page in "$STAGE"/pages/*; do
	section="$STAGE/man${page##*.}"
	mkdir -p "$section"
	gzip -9n <"$page" >"$section/${page##*/}.gz"
done

# README's links lead to files that are installed under other names, or not at all.
sed -e 's|](CHANGELOG.md)|](changelog.gz)|' -e 's|](LICENSE)|](copyright)|' \
	-e 's|](CONTRIBUTING.md)|](https://github.com/voipbl/voipbl/blob/main/CONTRIBUTING.md)|' README.md >"$STAGE/README.md"
gzip -9n <CHANGELOG.md >"$STAGE/changelog.gz"
gzip -9n <$changelog >"$STAGE/changelog.Debian.gz"

mkdir -p "$OUT"
for ARCH in "$@"; do
	export ARCH
	CGO_ENABLED=0 GOARCH=$ARCH go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.version=$DEB_VERSION" -o "$STAGE/voipbl" ./cmd/voipbl
	# The binary contains libraries, so their licences are included.
	GOARCH=$ARCH sh packaging/deb/licenses.sh | gzip -9n >"$STAGE/third-party.gz"
	go tool -modfile=tools/go.mod nfpm package --config packaging/deb/nfpm.yaml --packager deb --target "$OUT/voipbl_${DEB_VERSION}_$ARCH.deb"
done
