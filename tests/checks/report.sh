# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tests in shell share that report one by one, and end with echo "1..$n".
# They read it: . "$G_TEST_SRCDIR/checks/report.sh"

tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
n=0

# report NAME STATUS: what was said is in $tmp/said
report () {
  n=$((n + 1))
  if [ "$2" = 0 ]; then
    echo "ok $n $1"
  else
    sed 's/^/# /' "$tmp/said"
    echo "not ok $n $1"
  fi
}

# skip NAME REASON
skip () {
  n=$((n + 1))
  echo "ok $n $1 # SKIP $2"
}
