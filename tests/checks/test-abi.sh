#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares the ABI with that of the last release, in abi/: what was removed or
# changed fails, what was added is told. docs/abi.md says more.
#
#   test-abi.sh           compare
#   test-abi.sh --update  write the ABI of today to abi/
set -u
export LC_ALL=C

top=$G_TEST_SRCDIR/..
build=$G_TEST_BUILDDIR/..
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT

skip () {
  echo "1..0 # SKIP $1"
  exit 0
}

# word splitting intended: CC may have arguments
# shellcheck disable=SC2086
released=$top/abi/liblsobs-$($CC -dumpmachine | sed 's/-.*//')

command -v abidiff > /dev/null || skip "abidiff of libabigail is not here"
# Other compilers describe the same types in ways that abidiff takes for others.
# shellcheck disable=SC2086
if $CC -dM -E -x c /dev/null | grep -q __clang__; then
  skip "the ABI was written down with gcc"
fi

mkdir "$tmp/headers"
for header in "$top"/lsobs/lsobs*.h "$build/lsobs/lsobs-version.h"; do
  case $header in *-private.h) ;; *) cp "$header" "$tmp/headers" ;; esac
done
files=$(cd "$tmp/headers" && printf '%s|' *.h | sed 's/[.]h|/|/g; s/|$//')
names=$(cat "$tmp"/headers/*.h | grep -oE 'Lsobs[A-Z][A-Za-z0-9]*' | sort -u | paste -sd '|')
printf '[suppress_type]\n  source_location_not_regexp = (^|/)(%s)[.]h$\n  drop = yes\n' "$files" > "$tmp/inside"
printf '[suppress_type]\n  name_not_regexp = ^_?(%s)$\n' "$names" > "$tmp/foreign"

# dump OPTIONS...: what public headers do not define is opaque. The paths of the
# sources are as they were on one machine.
dump () {
  abidw --headers-dir "$tmp/headers" --drop-private-types --no-corpus-path --no-comp-dir-path --no-show-locs \
    --no-elf-needed --no-parameter-names --drop-undefined-syms --type-id-style hash "$@" \
    "$build/lsobs/.libs/liblsobs.so" | sed "s,path='[^']*/\(lsobs/[^'/]*\)',path='\1',"
}

# The functions, with the types that they reach, be they of GLib. And the types of
# the public headers, as not all are reached by functions: interfaces are not. These
# are apart, as functions lose the arguments whose types are dropped.
dump > "$tmp/today-functions.abi"
dump --load-all-types --suppressions "$tmp/inside" > "$tmp/today-types.abi"

if [ "${1:-}" = --update ]; then
  mkdir -p "$top/abi"
  cp "$tmp/today-functions.abi" "$released-functions.abi"
  cp "$tmp/today-types.abi" "$released-types.abi"
  exit
fi

[ -f "$released-functions.abi" ] || skip "the ABI was not written down for this architecture"
grep -q '<function-decl' "$tmp/today-functions.abi" || skip "the library was compiled without -g"

# compare NUMBER NAME OPTIONS...
compare () {
  number=$1
  name=$2
  shift 2
  if abidiff --no-added-syms "$@" "$released-$name.abi" "$tmp/today-$name.abi" > "$tmp/said" 2>&1; then
    echo "ok $number $name"
  else
    sed 's/^/# /' "$tmp/said"
    echo "# If no release has it yet, and it is meant: ./dev abi --update"
    echo "not ok $number $name"
  fi
}

echo 1..2
abidiff --added-fns --added-vars "$released-functions.abi" "$tmp/today-functions.abi" | sed -n "s/^ *\[A\]/# added:/p"
compare 1 functions
compare 2 types --non-reachable-types --suppressions "$tmp/foreign"
