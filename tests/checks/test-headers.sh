#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed headers: only <lsobs/lsobs.h> can be included, it includes all
# the others, and it stands alone, in C and in C++. Each header of the program in tools/ stands alone, too.
set -u

srcdir=$G_TEST_SRCDIR/..
builddir=$G_TEST_BUILDDIR/..
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
n=0

# compile COMPILER...: the program on standard input; what is said goes to $tmp/said
compile () {
  # word splitting intended: this is a list of arguments
  # shellcheck disable=SC2086
  "$@" -I"$srcdir" -I"$builddir" $LSOBS_CFLAGS -fsyntax-only -Wall -Wextra -Werror - > "$tmp/said" 2>&1
}

# report NAME: the test has passed unless $tmp/problems holds something
report () {
  n=$((n + 1))
  if [ -s "$tmp/problems" ]; then
    sed 's/^/# /' "$tmp/problems"
    echo "not ok $n $1"
  else
    echo "ok $n $1"
  fi
  : > "$tmp/problems"
}

headers=lsobs-version.h
for header in "$srcdir"/lsobs/lsobs-*.h; do
  case $header in
    *-private.h | */lsobs-version.h) ;;
    *) headers="$headers ${header##*/}" ;;
  esac
done
: > "$tmp/problems"

for header in $headers; do
  grep -q "^#include <lsobs/$header>\$" "$srcdir/lsobs/lsobs.h" || echo "$header is missing" >> "$tmp/problems"
done
report "<lsobs/lsobs.h> includes all the others"

for header in $headers; do
  # word splitting intended: CC may have arguments
  # shellcheck disable=SC2086
  if echo "#include <lsobs/$header>" | compile $CC -x c; then
    echo "$header can be included" >> "$tmp/problems"
  elif ! grep -q 'Only <lsobs/lsobs.h> can be included directly' "$tmp/said"; then
    { echo "$header does not say why not"; cat "$tmp/said"; } >> "$tmp/problems"
  fi
done
report "no other header can be included"

program='#include <lsobs/lsobs.h>
int main (void) { return lsobs_get_version_string () == NULL; }'

for std in c99 c11 gnu17; do
  # shellcheck disable=SC2086
  echo "$program" | compile $CC -x c -std=$std -Wstrict-prototypes || cat "$tmp/said" >> "$tmp/problems"
  report "<lsobs/lsobs.h> alone, $std"
done

for std in c++11 c++17; do
  if [ -z "$CXX" ]; then
    n=$((n + 1))
    echo "ok $n <lsobs/lsobs.h> alone, $std # SKIP no C++ compiler"
    continue
  fi
  # shellcheck disable=SC2086
  echo "$program" | compile $CXX -x c++ -std=$std || cat "$tmp/said" >> "$tmp/problems"
  report "<lsobs/lsobs.h> alone, $std"
done

# rejects PATTERN OPTIONS...: the compiler must refuse the program on standard input, and say so
rejects () {
  pattern=$1
  shift
  # shellcheck disable=SC2086
  if compile $CC -x c "$@"; then
    echo "taken with $*" >> "$tmp/problems"
  elif ! grep -q "$pattern" "$tmp/said"; then
    { echo "with $*, not said: $pattern"; cat "$tmp/said"; } >> "$tmp/problems"
  fi
}

# accepts OPTIONS...
accepts () {
  # shellcheck disable=SC2086
  compile $CC -x c "$@" || { echo "refused with $*"; cat "$tmp/said"; } >> "$tmp/problems"
}

oldest=-DLSOBS_VERSION_MIN_REQUIRED
newest=-DLSOBS_VERSION_MAX_ALLOWED

echo "$program" | accepts $oldest=LSOBS_VERSION_0_1 $newest=LSOBS_VERSION_0_1
echo "$program" | accepts $newest=LSOBS_VERSION_0_1
echo "$program" | accepts $oldest=LSOBS_VERSION_CUR_STABLE
echo "$program" | rejects 'MAX_ALLOWED must not be lower' \
  "$oldest=LSOBS_VERSION_0_1" "$newest=G_ENCODE_VERSION(0,0)"
echo "$program" | rejects 'MIN_REQUIRED must not be lower' "$oldest=G_ENCODE_VERSION(0,0)"
report "the versions that a program wants"

deprecated='#include <lsobs/lsobs.h>
LSOBS_DEPRECATED_IN_0_1 int old (void);
LSOBS_DEPRECATED_IN_0_1_FOR (better) int good (void);
int main (void) { return OLD (); }'

echo "$deprecated" | accepts -DOLD=main
echo "$deprecated" | rejects deprecated -DOLD=old
echo "$deprecated" | rejects 'better' -DOLD=good
echo "$deprecated" | accepts -DOLD=old -DLSOBS_DISABLE_DEPRECATION_WARNINGS
echo "$deprecated" | accepts -DOLD=good -DLSOBS_DISABLE_DEPRECATION_WARNINGS
report "what is deprecated"

if echo '#include <sqlite3.h>' | compile $CC -x c $SQLITE_CFLAGS; then
  for header in "$srcdir"/tools/*/*.h; do
    header=${header#"$srcdir"/}
    # shellcheck disable=SC2086
    echo "#include \"$header\"" | compile $CC -x c $SQLITE_CFLAGS -DLSOBS_COMPILATION -include config.h \
      || { echo "$header does not stand alone"; cat "$tmp/said"; } >> "$tmp/problems"
    grep -qx '#pragma once' "$srcdir/$header" || echo "$header has no #pragma once" >> "$tmp/problems"
  done
  [ -f "$srcdir/tools/store/store.h" ] || echo "the headers of tools/ were not found" >> "$tmp/problems"
  report "the headers of the program stand alone"
else
  n=$((n + 1))
  echo "ok $n the headers of the program stand alone # SKIP no SQLite"
fi

echo "1..$n"
