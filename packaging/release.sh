#!/bin/sh
# Makes a release of what is committed here: release.sh
# All tests, the packages of each processor, their checksums, the notes, and the commands that
# are left. SIGN=yes signs the tag, too. Nothing is sent anywhere.
set -eu

refuse() { printf 'no release: %s\n    try: %s\n' "$1" "$2" >&2; exit 1; }
clean() { [ -z "$(git status --porcelain)" ] || refuse "there are changes that are not committed" "git status"; }

[ "$(id -u)" -eq 0 ] || refuse "only root can run all tests" "sudo make release"
version=$(sed -n '1s/^voipbl (\(.*\)-[^-]*) .*/\1/p' packaging/deb/changelog)
tag=v$version
commit=$(git rev-parse HEAD)
clean
if git rev-parse --quiet --verify "refs/tags/$tag" >/dev/null; then
	refuse "$tag is released already" "the next version, first in packaging/deb/changelog and in CHANGELOG.md"
fi
# What users read first is above the details, which have headings of their own.
notes=$(awk '/^## /{n++; next} n > 1 || /^### /{exit} n == 1' CHANGELOG.md)
heading=$(grep -m 1 '^## ' CHANGELOG.md)
if [ "$heading" != "## $version" ] || [ -z "$notes" ]; then
	refuse "CHANGELOG.md does not begin with \"## $version\" and what is new in it, in short" "write it: packaging/deb/changelog has the version"
fi
if grep -q '"quick": true' docs/benchmarks/results.json; then
	refuse "docs/benchmarks.md is a quick look" "make bench, half an hour on a machine that does nothing else, and commit its page"
fi
if [ "${SIGN:-}" = yes ] && ! git config user.signingkey >/dev/null; then
	refuse "git knows no key to sign with" "git config user.signingkey KEY"
fi

VOIPBL_TABLES=all make test PACKAGES=./... ANYWAY= # whatever is set outside
rm -rf dist
make deb
clean
[ "$(git rev-parse HEAD)" = "$commit" ] || refuse "another commit is checked out than was tested" "again"
(cd dist && sha256sum ./*.deb >SHA256SUMS)
# The signature of the tag covers the packages, since it has their checksums.
{
	printf 'voipbl %s\n%s\n\n' "$version" "$notes"
	cat dist/SHA256SUMS
} >dist/NOTES.md
tag_it="git tag -s --cleanup=whitespace -F dist/NOTES.md $tag $commit"
echo "dist has the packages, SHA256SUMS and NOTES.md; what is left:"
if [ "${SIGN:-}" = yes ]; then
	$tag_it
else
	echo "    $tag_it"
fi
echo "    git push origin $tag, and the files of dist beside it"
