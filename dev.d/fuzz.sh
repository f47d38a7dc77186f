# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Fuzzing with libFuzzer, which comes with clang. Read by ../dev.

# fuzz MAKE-ARGUMENTS...
fuzz () {
  local dir=$top/_build-fuzz
  setup clang
  configure_build fuzz
  say "make fuzz in ${dir##*/}"
  # The targets run one after the other; they are compiled at the same time.
  make -s -C "$dir" -j"$jobs" fuzz "$@"
}
