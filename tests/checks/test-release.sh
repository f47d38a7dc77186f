#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whatever says which release this is says the same one: the version of configure is that of NEWS, of
# the packages (where debian/ is there), of what software centers and indexes of free software read, and
# of the wrap for Meson.
set -u
LC_ALL=C; export LC_ALL

top=$(cd "$G_TEST_SRCDIR/.." && pwd)
# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"

version=$(sed -n 's/^PACKAGE_VERSION = //p' "$G_TEST_BUILDDIR/../Makefile")
[ -n "$version" ] || { echo "Bail out! the Makefile has no version"; exit 1; }

# says NAME FOUND
says () {
  printf '%s instead of %s\n' "${2:-nothing}" "$version" > "$tmp/said"
  [ "$2" = "$version" ]; report "$1" $?
}

says "NEWS begins with this version" "$(sed -n '1s/^Version //p' "$top/NEWS")"
says "the newest release of lsobs.doap is this version" \
  "$(sed -n 's,.*<revision>\(.*\)</revision>.*,\1,p' "$top/lsobs.doap" | head -n 1)"
says "the newest release of the metainfo is this version" \
  "$(sed -n 's/.*<release version="\([^"]*\)".*/\1/p' "$top"/tools/data/*.metainfo.xml | head -n 1)"
says "the change log of the spec begins with this version" \
  "$(sed -n '/^%changelog/{n;s/.* - \(.*\)-[^-]*$/\1/p;}' "$top/lsobs.spec.in")"
says "the wrap for Meson is for this version" \
  "$(sed -n "s/^project('lsobs'.* version: '\([^']*\)'.*/\1/p" "$top/examples/build-systems/subprojects/packagefiles/lsobs/meson.build")"
sed -nE 's/^(directory|source_filename) = lsobs-([0-9.]*[0-9]).*/\2/p' \
  "$top/examples/build-systems/subprojects/lsobs.wrap" | sort -u > "$tmp/wrap"
says "the wrap for Meson unpacks this version" "$(cat "$tmp/wrap")"

# The example for make and Meson is the program of README, below a comment.
sed -n '/^```c$/,/^```$/p' "$top/README" | sed -e 1d -e '/^```$/,$d' > "$tmp/program"
sed -e '1,/ \*\/$/d' "$top/examples/build-systems/first-trace.c" | diff "$tmp/program" - > "$tmp/said"
report "the example for build systems is the program of README" $?

if [ -e "$top/debian/changelog" ]; then
  says "the change log of Debian begins with this version" \
    "$(sed -n '1s/^lsobs (\(.*\)-[^-]*) .*/\1/p' "$top/debian/changelog")"
  head -n 1 "$top/debian/changelog" > "$tmp/said"
  ! grep -q UNRELEASED "$tmp/said"; report "the change log of Debian says where the release goes" $?
else
  skip "the change log of Debian begins with this version" "no debian/ in the tarball"
  skip "the change log of Debian says where the release goes" "no debian/ in the tarball"
fi

echo "1..$n"
