#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run.sh CORPUS FOUND SECONDS TARGET...: has libFuzzer run each target, one after the other, for so
# many seconds, and says what came of it. "make fuzz" calls it in the build directory. Inputs that
# reach something new are kept in FOUND/TARGET and used the next time; an input that fails becomes
# FOUND/crash-TARGET-..., beside the log.
set -u

corpus=$1
found=$2
seconds=$3
shift 3
targets=$*
set --

# As in the tests: no settings of the user, no translations.
# shellcheck source=tests/hermetic.sh
. "$corpus/../../tests/hermetic.sh"
# GLib aborts at a warning, and AddressSanitizer sees each block of memory.
G_DEBUG=fatal-warnings,gc-friendly; export G_DEBUG
G_SLICE=always-malloc; export G_SLICE
unset MALLOC_PERTURB_
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}; export ASAN_OPTIONS
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}; export UBSAN_OPTIONS
LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$corpus/../../tests/lsan.supp:print_suppressions=0}; export LSAN_OPTIONS

# cpu_seconds: of the processes that have ended, from the output of times
cpu_seconds () {
  awk 'NR == 2 {
    for (i = 1; i <= 2; i++) { split ($i, part, "[ms]"); sum += part[1] * 60 + part[2] }
    printf "%.0f", sum
  }'
}

# stat LOG NAME: one of the numbers that libFuzzer prints at its end
stat () {
  sed -n "s/^stat::$2: *//p" "$1" | tail -n 1
}

failed=0
mkdir -p "$found"
printf '%-14s %12s %8s %9s %9s %7s %8s\n' target executions "CPU s" coverage features inputs crashes
for target in $targets; do
  log=$found/$target.log
  mkdir -p "$found/$target"
  rm -f "$found/crash-$target"-*
  (
    "fuzz/fuzz-$target" -max_total_time="$seconds" -max_len=4096 -timeout=25 -rss_limit_mb=2048 \
      -print_final_stats=1 -artifact_prefix="$found/crash-$target-" \
      "$found/$target" "$corpus/$target" > "$log" 2>&1
    echo $? > "$found/$target.rc"
    times
  ) > "$found/$target.times"
  crashes=$(find "$found" -maxdepth 1 -name "crash-$target-*" | grep -c .)
  [ "$(cat "$found/$target.rc")" = 0 ] || failed=1
  last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -n 1)
  printf '%-14s %12s %8s %9s %9s %7s %8s\n' "$target" "$(stat "$log" number_of_executed_units)" \
    "$(cpu_seconds < "$found/$target.times")" \
    "$(echo "$last" | sed -n 's/.* cov: \([0-9]*\).*/\1/p')" \
    "$(echo "$last" | sed -n 's/.* ft: \([0-9]*\).*/\1/p')" \
    "$(find "$found/$target" -type f | grep -c .)" "$crashes"
  [ "$(cat "$found/$target.rc")" = 0 ] || tail -n 40 "$log"
done
exit $failed
