# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What a user of an installed lsobs does. Read by ../dev.

# runner_results LOG: what gnome-desktop-testing-runner said in the end, in our words
runner_results () {
  sed -nE 's/^SUMMARY: total=[0-9]+; passed=([0-9]+); skipped=([0-9]+); failed=([0-9]+);.*/\1 passed, \3 failed, \2 skipped/p' \
    "$1" | sed 's/, 0 skipped$//'
}

# Installs, then compiles and runs the program of README and the installed example,
# and runs the installed tests.
install_test () {
  local dir=$top/_build-install prefix=$top/_build-install/prefix program=$top/_build-install/program override rc=0
  setup gnome-desktop-testing
  build install
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

  say "the installed tests"
  # the folder that Python has below the prefix differs from system to system
  override=$(find "$prefix" -path '*/gi/overrides/Lsobs.py')
  PYTHONPATH=${override%/gi/overrides/Lsobs.py}${PYTHONPATH:+:$PYTHONPATH} \
  GI_TYPELIB_PATH=$prefix/lib/girepository-1.0 XDG_DATA_DIRS=$prefix/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share} \
    gnome-desktop-testing-runner --parallel="$test_jobs" --timeout=1800 lsobs/ < /dev/null > "$dir/installed-tests.log" 2>&1 || rc=$?
  [ "$rc" = 0 ] || cat "$dir/installed-tests.log"
  grep -E '^ok .* # SKIP' "$dir/installed-tests.log" || true
  runner_results "$dir/installed-tests.log"
  return "$rc"
}
