#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the library exports is what the public headers declare, what the reference
# documents, and what the Debian package promises (where debian/ is there); and each of it
# says since when it has been there.
set -u
export LC_ALL=C

top=$G_TEST_SRCDIR/..
build=$G_TEST_BUILDDIR/..
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT

# compare EXPECTED FOUND NUMBER NAME [FILE]: FILE is where a missing symbol is added
compare () {
  if diff -u "$1" "$2" > "$tmp/diff"; then
    echo "ok $3 $4"
  else
    sed 's/^/# /' "$tmp/diff"
    [ -z "${5:-}" ] || sed -n "s|^+\(lsobs_.*\)|# add \1 to $5|p" "$tmp/diff"
    echo "not ok $3 $4"
  fi
}

echo 1..5

# word splitting intended: NM may have arguments
# shellcheck disable=SC2086
$NM -D --defined-only "$build/lsobs/.libs/liblsobs.so" | awk '{ print $3 }' | sort > "$tmp/exported"

grep -v '^lsobs_' "$tmp/exported" > "$tmp/foreign"
: > "$tmp/nothing"
compare "$tmp/nothing" "$tmp/foreign" 1 "every exported symbol is called lsobs_..."

# Functions that are declared in so many words, and the _get_type () of each
# G_DECLARE_... macro.
for header in "$top"/lsobs/*.h "$build"/lsobs/lsobs-version.h; do
  case $header in *-private.h) continue ;; esac
  awk '
    /^LSOBS_AVAILABLE_IN_/ { declaration = 1; next }
    declaration && /^G_DECLARE_/ {
      macro = $0
      while (macro !~ /\)/ && (getline line) > 0)
        macro = macro line
      split (macro, word, /[(, ]+/); print word[3] "_get_type"; declaration = 0
    }
    declaration && match ($0, /lsobs_[a-z0-9_]+ *\(/) {
      name = substr ($0, RSTART, RLENGTH); sub (/ *\($/, "", name); print name; declaration = 0
    }' "$header"
done | sort -u > "$tmp/declared"
compare "$tmp/declared" "$tmp/exported" 2 "exported = declared"

grep -h '^lsobs_' "$top/docs/reference/lsobs-sections.txt" | sort > "$tmp/documented"
compare "$tmp/documented" "$tmp/exported" 3 "exported = documented" docs/reference/lsobs-sections.txt

if [ -f "$top/debian/liblsobs0.symbols" ]; then
  sed -n 's/^ \([a-zA-Z_0-9]*\)@.*/\1/p' "$top/debian/liblsobs0.symbols" | sort > "$tmp/promised"
  compare "$tmp/promised" "$tmp/exported" 4 "exported = promised to Debian" debian/liblsobs0.symbols
else
  echo "ok 4 exported = promised to Debian # SKIP no debian/ here"
fi

# A virtual function is as old as what calls it, and a structure of a class as the class.
gir=$build/lsobs/Lsobs-1.0.gir
if [ -f "$gir" ]; then
  awk 'BEGIN { RS = ">" }
       /<(method|function|constructor|class|interface|record|enumeration|constant|property|glib:signal)[ \n]/ &&
       !/ version="/ && !/is-gtype-struct-for=/ {
         match ($0, / name="[^"]*"/); print substr ($0, RSTART + 1, RLENGTH - 1)
       }' "$gir" > "$tmp/undated"
  compare "$tmp/nothing" "$tmp/undated" 5 "all that is public says since when"
else
  echo "ok 5 all that is public says since when # SKIP no GObject Introspection"
fi
