# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The ABI against that of the last release. Read by ../dev.

# abi [--update]
abi () {
  local rc=0
  case ${1:-} in '' | --update) ;; *) usage >&2; die "abi: unknown option $1" ;; esac
  setup
  build
  if [ "${1:-}" = --update ]; then
    G_TEST_SRCDIR=$top/tests G_TEST_BUILDDIR=$top/_build/tests CC=gcc sh "$top/tests/checks/test-abi.sh" --update
    (cd "$top" && git diff --stat abi)
  else
    run_tests "$top/_build" check-am TESTS=tests/checks/test-abi.sh || rc=$?
    sed -n 's/^# added:/added:/p' "$top/_build/tests/checks/test-abi.log"
    return "$rc"
  fi
}
