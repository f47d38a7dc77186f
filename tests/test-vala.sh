#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compiles vala-program.vala against the fresh vapi, and runs its tests.
set -u

builddir=$G_TEST_BUILDDIR/..
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT

if ! "$VALAC" --vapidir "$builddir/lsobs" --girdir "$builddir/lsobs" --pkg lsobs --cc "$CC" \
     -X -w -X -I"$G_TEST_SRCDIR/.." -X -I"$builddir" -X -L"$builddir/lsobs/.libs" -X -llsobs \
     -o "$tmp/program" "$G_TEST_SRCDIR/vala-program.vala" > "$tmp/said" 2>&1; then
  sed 's/^/# /' "$tmp/said"
  echo "1..1"
  echo "not ok 1 the program does not compile"
  exit 0
fi
"$tmp/program"
