# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What a user of an installed lsobs does. Read by ../dev.

# Installs, then compiles and runs the program of README, and the installed example.
install_test () {
  local dir=$top/_build-install prefix=$top/_build-install/prefix program=$top/_build-install/program
  setup
  build install
  rm -rf "$prefix" "$program"
  mkdir "$program"
  make -s -C "$dir" install > /dev/null
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib

  say "compile and run the program of README against the installed library"
  readme_first_trace "$top/README" "$program"
  "$dir/examples/trace-receiver" -- "$program/first-trace" | tee "$program/trace"
  grep -q first-trace "$program/trace"

  say "compile the installed example"
  # word splitting intended: pkg-config prints arguments
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "$program/react-agent" "$prefix"/share/doc/lsobs/examples/react-agent/*.c \
    $(pkg-config --cflags --libs lsobs libsoup-3.0)
  "$program/react-agent" --help > /dev/null
}
