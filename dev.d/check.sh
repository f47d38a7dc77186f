# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Running and counting tests. Read by ../dev.

# show_skipped DIR: the tests that were skipped there, as the tests say it
show_skipped () {
  local trs log
  while IFS= read -r trs; do
    log=${trs%.trs}.log
    grep -aE '^ok [0-9]+ .*# SKIP' "$log" || true
    ! grep -qaE '^1\.\.0' "$log" || echo "ok 0 ${log#"$1"/} # SKIP"
  done < <(find "$1" -name '*.trs' | sort)
}

# results DIR: prints "PASSED FAILED SKIPPED" of the tests that were run there
results () {
  find "$1/tests" "$1/fuzz" "$1/docs" -name '*.trs' -exec cat {} + | awk '
    $1 == ":test-result:" { n[$2]++ }
    END { print n["PASS"] + n["XFAIL"], n["FAIL"] + n["XPASS"] + n["ERROR"], n["SKIP"] + 0 }'
}

# show_failures DIR: prints the logs of the tests that did not pass
show_failures () {
  local trs
  find "$1/tests" "$1/fuzz" "$1/docs" -name '*.trs' | sort | while read -r trs; do
    grep -qE '^:test-result: (FAIL|XPASS|ERROR)' "$trs" || continue
    say "${trs#"$top"/}: the log"
    tail -n 200 "${trs%.trs}.log"
  done
}

# With a choice of tests, make builds no other test programs: it cleans what it knows of.
# shellcheck disable=SC2016
chosen_programs='check_PROGRAMS=$(filter-out %.sh %.py %.js,$(TESTS))'

# has_choice MAKE-ARGUMENTS...: whether they choose tests
has_choice () {
  local argument
  for argument in "$@"; do
    case $argument in TESTS=*) return 0 ;; esac
  done
  return 1
}

# run_tests DIR MAKE-ARGUMENTS...: sums up, fails when a test did or none was run
run_tests () {
  local dir=$1 rc=0 passed failed skipped
  shift
  find "$dir" -name '*.trs' -delete
  say "make $* in ${dir##*/}"
  ! has_choice "$@" || set -- "$@" "$chosen_programs"
  make -s -C "$dir" -k -j"$test_jobs" "$@" || rc=$?
  show_failures "$dir"
  show_skipped "$dir"
  read -r passed failed skipped < <(results "$dir")
  say "the tests of ${dir##*/}"
  [ "$rc" = 0 ] || [ "$failed" != 0 ] || echo "make failed for another reason than a test, see above"
  if [ "$skipped" = 0 ]; then
    echo "$passed passed, $failed failed"
  else
    echo "$passed passed, $failed failed, $skipped skipped"
  fi
  [ "$rc" = 0 ] && [ "$failed" = 0 ] && [ "$passed" != 0 ]
}

# --- a busy machine ---

busy_pids=()

# start_busy N: N processes that do nothing but use the processor. stop_busy ends them;
# each also ends by itself when this script is gone, or after two hours.
start_busy () {
  local i
  for ((i = 0; i < $1; i++)); do
    # shellcheck disable=SC2016
    bash -c 'while kill -0 "$1" 2> /dev/null && [ "$SECONDS" -lt 7200 ]; do
               for ((i = 0; i < 50000; i++)); do :; done
             done' lsobs-busy "$$" < /dev/null > /dev/null 2>&1 &
    busy_pids+=("$!")
  done
}

stop_busy () {
  [ "${#busy_pids[@]}" = 0 ] && return
  kill "${busy_pids[@]}" 2> /dev/null || true
  wait "${busy_pids[@]}" 2> /dev/null || true
  busy_pids=()
}

# check_busy N MAKE-ARGUMENTS...: the C tests, or those that are given, beside N busy
# processes
check_busy () {
  local n=$1 rc=0 tests=()
  shift
  # make replaces these variables by their values
  # shellcheck disable=SC2016
  has_choice "$@" || tests=('TESTS=$(tests_public) $(tests_private)')
  # what is not a test is not slowed down
  make -s -C "$top/_build" -j"$jobs" check-am TESTS=
  trap stop_busy EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
  say "$n busy processes beside the tests"
  start_busy "$n"
  run_tests "$top/_build" check-am "${tests[@]}" "$@" || rc=$?
  stop_busy
  trap - EXIT INT HUP TERM
  return "$rc"
}

# --- what takes long ---

min_lines=92
min_branches=80

# check_coverage: runs all tests in _build-coverage/, prints how much of lsobs/ they reach, and
# fails if that is less than it has to be
check_coverage () {
  local dir=$top/_build-coverage
  setup lcov
  build coverage
  find "$dir" -name '*.gcda' -delete
  # what the tests find wrong, the other variants tell
  make -s -C "$dir" coverage > "$dir/coverage.log" 2>&1 || { tail -n 50 "$dir/coverage.log"; return 1; }
  say "what the tests reach of lsobs/: _build-coverage/coverage/index.html"
  awk -v lines="$min_lines" -v branches="$min_branches" '
    $1 == "lines......:" { print; seen++; if ($2 + 0 < lines) bad = 1 }
    $1 == "branches...:" { print; seen++; if ($2 + 0 < branches) bad = 1 }
    END {
      if (bad) printf "less than %d %% of the lines or %d %% of the branches\n", lines, branches
      exit bad || seen != 2
    }' "$dir/coverage.log"
}

# long_books: a million steps, in several processes as they mostly wait, and 10,000 short schedules
long_books () {
  local n=8 i pids=() rc=0 program=$top/_build/tests/api/test-books logs=$top/_build/long
  rm -rf "$logs"
  mkdir -p "$logs"
  say "the books: a million steps, 10,000 short schedules"
  # shellcheck disable=SC1091
  for ((i = 0; i <= n + 1; i++)); do
    (cd "$top/_build" && . "$top/tests/hermetic.sh" && unset MALLOC_PERTURB_ \
      && export G_TEST_SRCDIR="$top/tests" G_TEST_BUILDDIR="$top/_build/tests" \
      && case $i in
           0) LSOBS_BOOKS_SHORT=10000 exec "$program" --tap -p /books/short ;;
           1) LSOBS_BOOKS_STEPS=30000 exec "$program" --tap -p /books/http2 ;;
           *) LSOBS_BOOKS_STEPS=$((1000000 / n)) exec "$program" --tap -p /books/http1 ;;
         esac) < /dev/null > "$logs/books-$i.log" 2>&1 &
    pids+=("$!")
  done
  for i in "${!pids[@]}"; do
    wait "${pids[i]}" || { rc=1; grep -aE 'LSOBS_BOOKS_SEED|^Bail' "$logs/books-$i.log" | tail -n 2; }
    grep -ahE '^# [0-9]+ schedules' "$logs/books-$i.log" || rc=1
  done
  return "$rc"
}

# long_kills: 200 programs that are killed while they use a spool, in place of 24
long_kills () {
  local rc=0 log=$top/_build/long/kills.log
  mkdir -p "${log%/*}"
  say "SIGKILL, 200 times, at any moment"
  # shellcheck disable=SC1091
  (cd "$top/_build" && . "$top/tests/hermetic.sh" \
    && exec env G_TEST_SRCDIR="$top/tests" G_TEST_BUILDDIR="$top/_build/tests" LSOBS_TEST_KILLS=200 \
         tests/api/test-spool-processes --tap -p /spool-processes/killed) < /dev/null > "$log" 2>&1 || rc=1
  grep -aE '^# 200 killed' "$log" || { rc=1; tail -n 50 "$log"; }
  return "$rc"
}

# check_long: what is too long for each change
check_long () {
  local rc=0
  setup
  build
  make -s -C "$top/_build" -j"$jobs" check-am TESTS=
  long_books || rc=1
  long_kills || rc=1
  say "a million runs, while the service fails"
  make -s -C "$top/_build" soak || rc=1
  check_tsan || rc=1
  check_helgrind || rc=1
  check_coverage || rc=1
  "$top/dev" static || rc=1
  # in a process each, as these leave for a system, or a network, of their own
  if [ "$(id -u)" = 0 ]; then
    "$top/dev" check --i386 || rc=1
    "$top/dev" check --as-builder || rc=1
  else
    say "left out, as only root can: check --i386, check --as-builder"
  fi
  [ "$rc" = 0 ] && echo "the long checks have passed"
  return "$rc"
}

# check [OPTION] [MAKE ARGUMENTS]
check () {
  local option='' target=check n_busy=10
  case ${1:-} in
    --asan | --clang | --minimal | --valgrind | --busy | --long | --coverage | --i386 | --as-builder | --tsan | --helgrind) option=${1#--}; shift ;;
    --busy=*) option=busy n_busy=${1#--busy=}; shift ;;
    --*) usage >&2; die "check: unknown option $1" ;;
  esac
  case $n_busy in '' | *[!0-9]*) usage >&2; die "check: --busy=N needs a number" ;; esac
  # A choice of tests makes sense in the top directory only.
  ! has_choice "$@" || target=check-am

  case $option in
    long) check_long ;;
    tsan) check_tsan "$@" ;;
    helgrind) check_helgrind "$@" ;;
    coverage) check_coverage ;;
    i386) check_i386 "$@" ;;
    as-builder) check_as_builder "$@" ;;
    busy)
      setup
      build
      check_busy "$n_busy" "$@" ;;
    valgrind)
      # the programs first: the rules for valgrind do not build them
      setup valgrind
      build
      make -s -C "$top/_build" -j"$jobs" check-am TESTS=
      run_tests "$top/_build" check-valgrind-memcheck "$@" ;;
    asan)
      setup
      build asan
      # GLib has no frame pointers: the fast unwinder stops at g_malloc (), and the
      # suppressions find nothing. The other one is slow, and slower with each frame.
      # What is known of thread-local memory of modules, such as the one for TLS, is
      # wrong in GCC 12, and the search for leaks dies of it.
      ASAN_OPTIONS="fast_unwind_on_malloc=0:malloc_context_size=12:detect_leaks=1:detect_stack_use_after_return=1:intercept_tls_get_addr=0" \
      LSAN_OPTIONS="suppressions=$top/tests/lsan.supp:print_suppressions=0" \
      UBSAN_OPTIONS="print_stacktrace=1" \
        run_tests "$top/_build-asan" "$target" "$@" ;;
    clang)
      setup clang
      build clang
      run_tests "$top/_build-clang" "$target" "$@" ;;
    minimal)
      setup
      build minimal
      run_tests "$top/_build-minimal" "$target" "$@" ;;
    *)
      setup
      build
      run_tests "$top/_build" "$target" "$@" ;;
  esac
}

# distcheck MAKE-ARGUMENTS...
distcheck () {
  local made
  setup
  build
  say "make distcheck"
  ! has_choice "$@" || set -- "$@" "$chosen_programs"
  make -s -C "$top/_build" -j"$test_jobs" distcheck "$@"
  # it would make two tarballs of one commit differ
  made=$(tar -xOf "$top"/_build/lsobs-*.tar.xz --wildcards '*/Makefile.in' '*/aminclude_static.am') \
    || die "distcheck: the tarball cannot be read"
  case $made in
    *'STATIC on '*) die "distcheck: the tarball has the time of day" ;;
  esac
}
