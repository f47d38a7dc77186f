# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What becomes of traces when a real nginx is between. Read by ../dev.

# All of nginx is in a temporary directory: its service, if there is one, is left alone.
nginx_test () {
  local log=$top/_build/nginx-test.log rc=0
  setup nginx
  build
  make -s -C "$top/_build" -j"$jobs" tests/api/test-nginx
  say "runs through nginx, to a service on this machine"
  # shellcheck disable=SC1091
  (cd "$top/_build" && . "$top/tests/hermetic.sh" && PATH=$PATH:/usr/sbin:/sbin \
    timeout --kill-after=10 300 tests/api/test-nginx) < /dev/null > "$log" 2>&1 || rc=$?
  [ "$rc" = 0 ] || cat "$log"
  grep -E '^(not )?ok ' "$log" || true
  echo "$(grep -c '^ok ' "$log") passed, $(grep -c '^not ok ' "$log") failed"
  return "$rc"
}
