# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2030,SC2031
#
# The libraries below lsobs, compiled so that ThreadSanitizer and Helgrind understand their
# locks. Read by ../dev.
#
# ThreadSanitizer sees only the locks and the memory of what it has compiled, and Helgrind only
# the locks of pthreads: with the libraries of the system, both take GLib's locks for none, and
# report what these protect. So GLib, libsoup and JSON-GLib are compiled from the source packages
# of Debian, in the versions that are installed here, and kept outside of the tree.

races_cache=${XDG_CACHE_HOME:-$HOME/.cache}/lsobs/races
races_cflags="-O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls"

# races_libraries: for each, its source package, the package that is installed here, and options
# of meson
races_libraries () {
  cat <<'LIST'
glib2.0 libglib2.0-dev -Dtests=false -Dman=false -Dgtk_doc=false -Dlibmount=disabled -Dselinux=disabled -Dglib_debug=disabled
libsoup3 libsoup-3.0-dev -Dtests=false -Dintrospection=disabled -Dvapi=disabled -Dsysprof=disabled -Dgssapi=disabled -Dntlm=disabled -Dautobahn=disabled -Dpkcs11_tests=disabled -Dtls_check=false
json-glib libjson-glib-dev -Dtests=false -Dintrospection=disabled -Dgtk_doc=disabled -Dman=false
LIST
}

# races_setup: what compiles them
races_setup () {
  command -v apt-get > /dev/null || die "this check compiles source packages of Debian, and there is no apt-get here"
  setup dpkg-dev meson ninja-build "$@"
}

# races_dir KIND: the directory of the libraries for that check. Its name depends on all that they
# are made of.
races_dir () {
  local key
  # shellcheck disable=SC2046
  key=$({ dpkg-query -W -f '${Package} ${Version}\n' $(races_libraries | cut -d' ' -f2)
          declare -f races_libraries races_patch races_compile
          echo "$races_cflags"
          cc --version; } | sha256sum | cut -c 1-12)
  printf '%s' "$races_cache/$1-$key"
}

# races_fetch PACKAGE VERSION: unpacks that source package, or the version that there is, in ./source.
# Its list of source packages is its own, as that of the system may have none.
races_fetch () {
  local options=(-q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=-
                 -o "Dir::State::lists=$PWD/lists" -o APT::Sandbox::User=root)
  mkdir -p lists/partial
  # apt-get replaces these variables
  # shellcheck disable=SC2016
  apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
    'Target-Of: deb' | sort -u > sources.list
  apt-get "${options[@]}" update \
    && { apt-get "${options[@]}" source --download-only "$1=$2" \
           || apt-get "${options[@]}" source --download-only "$1"; } \
    && dpkg-source -x "$1"_*.dsc source \
    && rm -rf lists
}

# races_patch KIND PACKAGE: has GLib use the mutexes and conditions of pthreads, and no assembler.
# Helgrind orders nothing by atomic operations, so for it these take a mutex, too: one for
# each address, or nearly so, as what uses different addresses has no order.
races_patch () {
  [ "$2" = glib2.0 ] || return 0
  sed -i "s/glib_conf.set('HAVE_FUTEX/glib_conf.set('LEAVE_OUT_FUTEX/" source/meson.build \
    && sed -i '/#define USE_ASM_GOTO 1/d' source/glib/gbitlock.c \
    && { [ "$1" != helgrind ] || {
           sed -i 's/have_atomic_lock_free = true/have_atomic_lock_free = false/' source/meson.build \
             && sed -i 's/^static pthread_mutex_t g_atomic_lock = .*/static pthread_mutex_t g_atomic_locks[8191];\n#define g_atomic_lock (g_atomic_locks[(gsize) atomic % 8191])/' \
                  source/glib/gatomic.c; }; }
}

# races_compile KIND DIR PACKAGE VERSION OPTIONS: installs it below DIR/prefix, if that was not done.
# Without one other than GLib, the check reports less, or what the suppressions name; it tries again
# a day later.
races_compile () {
  local kind=$1 dir=$2 name=$3 version=$4 work=$2/$3 sanitize=none
  shift 4
  [ ! -e "$work.done" ] || return 0
  [ -z "$(find "$work.failed" -mtime -1 2> /dev/null)" ] || return 0
  [ "$kind" != tsan ] || sanitize=thread
  say "$name $version for this check, in $dir"
  rm -rf "$work"
  mkdir -p "$work"
  # what this compiles is also run by it
  (cd "$work" && races_fetch "$name" "$version" && races_patch "$kind" "$name" \
    && export PKG_CONFIG_PATH="$dir/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$dir/prefix/lib" \
              CFLAGS="$races_cflags" TSAN_OPTIONS=report_bugs=0 TMPDIR="$work" \
    && meson setup build source --prefix="$dir/prefix" --libdir=lib --buildtype=plain \
         --wrap-mode=nodownload -Db_sanitize="$sanitize" -Db_lundef=false "$@" \
    && ninja -C build -j"$jobs" && ninja -C build install) > "$work.log" 2>&1 \
    || { tail -n 50 "$work.log"
         [ "$name" != glib2.0 ] || die "$name could not be compiled; $work.log has all of it"
         say "$name could not be compiled; the one of the system is used"
         touch "$work.failed"
         return 0; }
  rm -rf "$work"
  touch "$work.done"
}

# races_prepare KIND: compiles what is missing, and the tests with it in _build-KIND/; sets races_lib
races_prepare () {
  local kind=$1 dir name package options
  dir=$(races_dir "$kind")
  mkdir -p "$dir"
  # another ./dev may do the same
  exec 9> "$dir/lock"
  flock 9
  while read -r name package options; do
    # word splitting intended
    # shellcheck disable=SC2086
    races_compile "$kind" "$dir" "$name" "$(dpkg-query -W -f '${source:Version}' "$package")" $options < /dev/null
  done < <(races_libraries)
  # of the modules of GIO, only the one for TLS is needed
  mkdir -p "$dir/prefix/lib/gio/modules"
  ln -sf "$(PKG_CONFIG_PATH='' pkg-config --variable=giomoduledir gio-2.0)/libgiognutls.so" "$dir/prefix/lib/gio/modules"
  exec 9>&-
  races_lib=$dir/prefix/lib
  # the build directory may be of other libraries
  grep -qsF "$races_lib" "$top/_build-$kind/config.status" || rm -rf "$top/_build-$kind"
}

# races_fixed_addresses: whether ThreadSanitizer can put its own memory where it wants it
races_fixed_addresses () {
  local bits personality
  bits=$(cat /proc/sys/vm/mmap_rnd_bits 2> /dev/null || echo 28)
  personality=$(cat /proc/self/personality 2> /dev/null || echo 0)
  [ "$bits" -le 28 ] || [ $((0x$personality & 0x40000)) != 0 ]
}

# check_tsan MAKE-ARGUMENTS...: the C tests, or those that are given, under ThreadSanitizer. What any
# process of them reports is in _build-tsan/reports/, and is a failure.
check_tsan () (
  local dir=$top/_build-tsan rc=0 n tests=()
  if ! races_fixed_addresses; then
    setarch "$(uname -m)" --addr-no-randomize "$top/dev" check --tsan "$@"
    return
  fi
  races_setup
  races_prepare tsan
  # make replaces these variables by their values
  # shellcheck disable=SC2016
  has_choice "$@" || tests=('TESTS=$(tests_public) $(tests_private)')
  # this function has a shell of its own
  export LD_LIBRARY_PATH="$races_lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  build tsan
  rm -rf "$dir/reports"
  mkdir "$dir/reports"
  # Memory that GLib's slices hand on would be taken for shared. A forked child does not have the
  # threads that it does not join.
  G_SLICE=always-malloc \
  TSAN_OPTIONS="suppressions=$top/tests/tsan.supp:log_path=$dir/reports/report:history_size=4:second_deadlock_stack=1:report_thread_leaks=0:exitcode=0" \
    run_tests "$dir" check-am "${tests[@]}" "$@" || rc=1
  n=$(cat "$dir"/reports/* 2> /dev/null | grep -c '^WARNING: ThreadSanitizer') || true
  say "what ThreadSanitizer reports: $n"
  [ "$n" = 0 ] && return "$rc"
  cat "$dir"/reports/* | grep '^SUMMARY: ' | sort | uniq -c | sort -rn
  return 1
)

# What runs under Helgrind: the public API with many threads; the queue; and the workers in contexts
# of the program.
helgrind_tests="tests/api/test-threads tests/unit/test-queue-books tests/api/test-observer-context"

# check_helgrind MAKE-ARGUMENTS...: some C tests, or those that are given, under Helgrind. What it
# reports is in the logs of the tests, and is a failure.
check_helgrind () (
  local dir=$top/_build-helgrind tests=()
  races_setup valgrind
  races_prepare helgrind
  has_choice "$@" || tests=("TESTS=$helgrind_tests")
  export LD_LIBRARY_PATH="$races_lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  build helgrind
  G_SLICE=always-malloc run_tests "$dir" check-am "${tests[@]}" \
    LOG_COMPILER="timeout --foreground --kill-after=10 3600 $dir/libtool --mode=execute valgrind --tool=helgrind \
      --error-exitcode=1 --fair-sched=yes --history-level=approx --suppressions=$top/tests/helgrind.supp" "$@"
)
