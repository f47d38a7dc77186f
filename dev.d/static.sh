# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What can be found in the sources without running them. Read by ../dev. The settings are in
# ../.clang-tidy, ../examples/.clang-tidy and cppcheck.supp, with their reasons.

static_dir=$top/_build-static

# make_words VARIABLE...: the words in these variables of _build/Makefile, as a compiler gets
# them, but for the folders of headers, which are absolute
make_words () {
  local references='' v
  for v in "$@"; do references+=" \$($v)"; done
  printf 'include Makefile\nlsobs-words:\n\t@printf "%%s\\n"%s\n' "$references" \
    | make -s -C "$top/_build" -f - lsobs-words \
    | sed -E "s#^-I([^/].*)?\$#-I$top/_build/\1#"
}

# sources_of FOLDER: the C files there, each with a zero byte after it
sources_of () {
  find "$top/$1" -name '*.c' -print0 | sort -z
}

# tidy FOLDER: clang-tidy, with the flags that compile_flags has written for the folder
tidy () {
  local log=$static_dir/$1/clang-tidy.log rc=0
  sources_of "$1" | xargs -0 -P "$jobs" -n 4 clang-tidy --quiet -p "$static_dir/$1" > "$log" 2>&1 || rc=1
  # what it tells of the headers of the system, which it says nothing about
  grep -vE '^[0-9]+ warnings? generated\.$' "$log" || true
  return "$rc"
}

# cpp FOLDER: cppcheck, with the same flags
cpp () {
  local flags=() cache=$static_dir/$1/cppcheck
  mkdir -p "$cache"
  mapfile -t flags < <(grep -E '^-[DI]' "$static_dir/$1/compile_flags.txt")
  sources_of "$1" | xargs -0 cppcheck --quiet --enable=warning,performance,portability --inconclusive \
    --std=c11 --library=gnu --library=gtk --suppressions-list="$top/dev.d/cppcheck.supp" --inline-suppr \
    -DG_DISABLE_ASSERT -j "$jobs" --cppcheck-build-dir="$cache" --error-exitcode=1 "${flags[@]}"
}

# compile_flags FOLDER MAKE-VARIABLE...: writes down what the sources there are compiled with
compile_flags () {
  local folder=$1
  shift
  mkdir -p "$static_dir/$folder"
  # LOCALEDIR is known to one file alone; its value does not matter here
  { printf '%s\n' -xc -std=gnu11 '-DLOCALEDIR=""'; make_words DEFS "$@" LSOBS_CFLAGS ZSTD_CFLAGS; } \
    > "$static_dir/$folder/compile_flags.txt"
}

# analyze: gcc, which follows the ways through each function. What it says of uninitialized values is
# wrong about g_autofree, where the function that frees is inline; the warnings of the usual build, and
# clang-tidy, look for these.
analyze () {
  local source objects=() flags="-O1 -g -fanalyzer -Wno-analyzer-use-of-uninitialized-value -Werror"
  configure_build analyzer
  for source in "$top"/examples/*.c; do
    source=${source##*/}
    objects+=("examples/${source%.c}.o")
  done
  make -s -k -C "$top/_build-analyzer" -j"$jobs" CFLAGS="$flags" lsobs/liblsobs.la tools/libtools.la "${objects[@]}"
}

# static_checks: fails if one of them finds something
static_checks () {
  local rc=0 folder
  setup clang-tidy cppcheck
  build
  compile_flags lsobs lsobs_liblsobs_la_CPPFLAGS
  compile_flags examples AM_CPPFLAGS
  compile_flags tools tools_libtools_la_CPPFLAGS SQLITE_CFLAGS
  for folder in lsobs examples tools; do
    say "cppcheck, in $folder/"
    cpp "$folder" || rc=1
  done
  for folder in lsobs examples tools; do
    say "clang-tidy, in $folder/"
    tidy "$folder" || rc=1
  done
  say "gcc -fanalyzer"
  analyze || rc=1
  [ "$rc" != 0 ] || say "nothing found"
  return "$rc"
}
