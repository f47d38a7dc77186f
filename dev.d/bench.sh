# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Measuring: the table of "make bench", and the gate that keeps instruction counts. Read by ../dev.

bench_dir=$top/_build-bench

# bench_pairs DIR: what the gate counts in that build
bench_pairs () {
  make -s -C "$1" -j"$jobs" bench/pairs
}

# bench_skip WHY
bench_skip () {
  echo "ok 1 bench instructions # SKIP $1"
  echo "0 passed, 0 failed, 1 skipped"
}

# bench_base COMMIT: builds that commit in the way of this one, in _build-bench-base/, or says why not
bench_base () {
  local source=$top/_build-bench-base/source
  git -C "$top" rev-parse -q --verify "$1^{commit}" > /dev/null || die "there is no commit $1 to compare with"
  rm -rf "$top/_build-bench-base"
  mkdir -p "$source"
  git -C "$top" archive "$1" | tar -x -C "$source"
  if [ ! -e "$source/bench/pairs.c" ] || [ ! -e "$source/bench/expected.json" ]; then
    return 1
  fi
  "$source/dev" bench --build > "$top/_build-bench-base/log" 2>&1 || { tail -n 50 "$top/_build-bench-base/log"; die "the base, $1, cannot be built"; }
}

# bench_gate [BASE]: the instruction counts beside those in bench/expected.json; with another toolchain,
# beside those of the commit BASE, which is built for it
bench_gate () {
  local base=${1:-} rc=0
  setup valgrind
  configure_build bench
  bench_pairs "$bench_dir"
  say "instruction counts beside bench/expected.json"
  (cd "$bench_dir" && PYTHONDONTWRITEBYTECODE=1 python3 "$top/bench/gate.py") || rc=$?
  [ "$rc" = 3 ] || return "$rc"
  say "another toolchain than that in bench/expected.json: the counts beside those of the commit before"
  if [ ! -e "$top/.git" ] || ! command -v git > /dev/null; then
    bench_skip "the toolchain is another one than that in bench/expected.json, and without git there is no commit to compare with"
    return 0
  fi
  [ -n "$base" ] || base=$(git -C "$top" rev-parse -q --verify HEAD^) || {
    bench_skip "the toolchain is another one than that in bench/expected.json, and no commit is before this one"
    return 0
  }
  if ! bench_base "$base"; then
    bench_skip "the toolchain is another one than that in bench/expected.json, and the commit $base has no counts"
    return 0
  fi
  (cd "$bench_dir" && PYTHONDONTWRITEBYTECODE=1 python3 "$top/bench/gate.py" \
    --base="$top/_build-bench-base/source/_build-bench" --base-expected="$top/_build-bench-base/source/bench/expected.json")
}

# bench [OPTION]
bench () {
  case ${1:-} in
    --build)
      configure_build bench
      bench_pairs "$bench_dir" ;;
    --gate) bench_gate "${2:-}" ;;
    --update)
      setup valgrind
      configure_build bench
      bench_pairs "$bench_dir"
      (cd "$bench_dir" && PYTHONDONTWRITEBYTECODE=1 python3 "$top/bench/gate.py" --update)
      (cd "$top" && git diff --stat bench/expected.json) ;;
    --long | --docs)
      setup valgrind gnuplot-nox
      configure_build bench
      make -s -C "$bench_dir" -j"$jobs" "bench-${1#--}" ;;
    '')
      setup valgrind
      configure_build bench
      make -s -C "$bench_dir" -j"$jobs" bench ;;
    *) usage >&2; die "bench: unknown option $1" ;;
  esac
}
