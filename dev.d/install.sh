# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What a user of an installed lsobs does. Read by ../dev.

# runner_results LOG: what gnome-desktop-testing-runner said in the end, in our words
runner_results () {
  sed -nE 's/^SUMMARY: total=[0-9]+; passed=([0-9]+); skipped=([0-9]+); failed=([0-9]+);.*/\1 passed, \3 failed, \2 skipped/p' \
    "$1" | sed 's/, 0 skipped$//'
}

# run_installed_tests LOG: as the runner finds them in XDG_DATA_DIRS
run_installed_tests () {
  local rc=0
  gnome-desktop-testing-runner --parallel="$test_jobs" --timeout=1800 lsobs/ < /dev/null > "$1" 2>&1 || rc=$?
  [ "$rc" = 0 ] || cat "$1"
  grep -E '^ok .* # SKIP' "$1" || true
  runner_results "$1"
  return "$rc"
}

# run_binding_tests LOG DIR: those of this tree, with the typelib and the overrides that are installed
run_binding_tests () {
  local log=$1 dir=$2 python test rc=0
  python=$(sed -n 's/^PYTHON_GI = //p' "$dir/Makefile")
  : > "$log"
  for test in "$top"/tests/bindings/test-*.py "$top"/tests/bindings/test-*.js; do
    case $test in
      *.py) sh "$top/tests/hermetic.sh" "$python" "$test" < /dev/null >> "$log" 2>&1 || rc=$? ;;
      *.js) sh "$top/tests/hermetic.sh" gjs "$test" < /dev/null >> "$log" 2>&1 || rc=$? ;;
    esac
  done
  [ "$rc" = 0 ] || cat "$log"
  grep -E '^ok .* # SKIP' "$log" || true
  awk '
    /^ok / { if (/ # SKIP/) s++; else p++ }
    /^not ok / { f++ }
    END { print p + 0 " passed, " f + 0 " failed" (s ? ", " s " skipped" : ""); exit p == 0 }' "$log" || rc=1
  return "$rc"
}

# Installs, then compiles and runs the program of README and the installed examples, and runs the
# installed tests; or, with --quick, installs no tests, and runs those of the bindings with what is
# installed.
install_test () {
  local variant=install dir prefix program override
  case ${1:-} in
    '') setup gnome-desktop-testing meson ninja-build ;;
    --quick) setup meson ninja-build; variant=prefix ;;
    *) usage >&2; die "install-test: unknown option $1" ;;
  esac
  dir=$top/_build-$variant prefix=$top/_build-$variant/prefix program=$top/_build-$variant/program
  build "$variant"
  rm -rf "$prefix" "$program"
  mkdir "$program"
  make -s -C "$dir" install > /dev/null
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib

  say "compile and run the program of README against the installed library"
  readme_first_trace "$top/README" "$program"
  "$dir/examples/trace-receiver" -- "$program/first-trace" | tee "$program/trace"
  grep -q first-trace "$program/trace"

  say "compile the installed examples"
  # word splitting intended: pkg-config prints arguments
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "$program/react-agent" "$prefix"/share/doc/lsobs/examples/react-agent/*.c \
    $(pkg-config --cflags --libs lsobs libsoup-3.0)
  "$program/react-agent" --help > /dev/null
  cp -R "$prefix/share/doc/lsobs/examples/build-systems" "$program"
  make -s -C "$program/build-systems" CFLAGS='-Wall -Werror'
  "$dir/examples/trace-receiver" -- "$program/build-systems/first-trace" | grep -q first-trace
  meson setup "$program/build-systems" "$program/meson" > "$program/meson.log" || { cat "$program/meson.log"; return 1; }
  ninja -C "$program/meson" > "$program/meson.log" || { cat "$program/meson.log"; return 1; }
  "$dir/examples/trace-receiver" -- "$program/meson/first-trace" | grep -q first-trace
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "$program/tiny-agent" "$prefix/share/doc/lsobs/examples/tiny-agent/tiny-agent.c" \
    $(pkg-config --cflags --libs lsobs)
  "$program/tiny-agent"
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "$program/jsonl-transport" "$prefix/share/doc/lsobs/examples/jsonl-transport/jsonl-transport.c" \
    $(pkg-config --cflags --libs lsobs)
  "$program/jsonl-transport" "$program/traces.jsonl"
  [ "$(wc -l < "$program/traces.jsonl")" = 12 ]
  XDG_DATA_DIRS=$prefix/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share} \
    valac --pkg lsobs -X -w -o "$program/tiny-agent-vala" "$prefix/share/doc/lsobs/examples/tiny-agent/tiny-agent.vala"
  "$program/tiny-agent-vala"
  XDG_DATA_DIRS=$prefix/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share} \
    valac --pkg gtk4 --pkg lsobs -X -w -X -lm -o "$program/chat-window" "$prefix/share/doc/lsobs/examples/chat-window/chat-window.vala"

  # the folder that Python has below the prefix differs from system to system
  override=$(find "$prefix" -path '*/gi/overrides/Lsobs/__init__.py')
  export PYTHONPATH=${override%/gi/overrides/Lsobs/__init__.py}${PYTHONPATH:+:$PYTHONPATH}
  export GI_TYPELIB_PATH=$prefix/lib/girepository-1.0
  export XDG_DATA_DIRS=$prefix/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}
  if [ "$variant" = install ]; then
    say "the installed tests"
    run_installed_tests "$dir/installed-tests.log"
  else
    say "the tests of the bindings, with what is installed"
    run_binding_tests "$dir/binding-tests.log" "$dir"
  fi
}
