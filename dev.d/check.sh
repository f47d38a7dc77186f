# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Running and counting tests. Read by ../dev.

# results DIR: prints "PASSED FAILED SKIPPED" of the tests that were run there
results () {
  find "$1/tests" "$1/docs" -name '*.trs' -exec cat {} + | awk '
    $1 == ":test-result:" { n[$2]++ }
    END { print n["PASS"] + n["XFAIL"], n["FAIL"] + n["XPASS"] + n["ERROR"], n["SKIP"] + 0 }'
}

# show_failures DIR: prints the logs of the tests that did not pass
show_failures () {
  local trs
  find "$1/tests" "$1/docs" -name '*.trs' | sort | while read -r trs; do
    grep -qE '^:test-result: (FAIL|XPASS|ERROR)' "$trs" || continue
    say "${trs#"$top"/}: the log"
    tail -n 200 "${trs%.trs}.log"
  done
}

# run_tests DIR MAKE-ARGUMENTS...: sums up, fails when a test did or none was run
run_tests () {
  local dir=$1 rc=0 passed failed skipped
  shift
  find "$dir" -name '*.trs' -delete
  say "make $* in ${dir##*/}"
  make -s -C "$dir" -k -j"$test_jobs" "$@" || rc=$?
  show_failures "$dir"
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

# check [OPTION] [MAKE ARGUMENTS]
check () {
  local option='' target=check argument
  case ${1:-} in
    --asan | --clang | --minimal | --valgrind) option=${1#--}; shift ;;
    --*) usage >&2; die "check: unknown option $1" ;;
  esac
  # A choice of tests makes sense in the top directory only.
  for argument in "$@"; do
    case $argument in TESTS=*) target=check-am ;; esac
  done

  case $option in
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
