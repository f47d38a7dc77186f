# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Configuring and compiling. Read by ../dev.

# configure_build [VARIANT]: configures the build directory of the variant; setup was run
configure_build () {
  local variant=${1:-} dir="$top/_build${1:+-$1}" options

  case $variant in
    asan)
      # What the interpreters of the other tests load must not be sanitized.
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind
               --with-zstd --with-tools
               CFLAGS="-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined") ;;
    bench)
      # what is measured: compiled as a release, without the check of the order of locks
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --disable-debug --with-zstd
               --without-tools CFLAGS="-O2 -g") ;;
    builder)
      # as debian/rules has it; the sources cannot be written, and locks are still checked
      options=(--enable-introspection=yes --enable-vala=yes --enable-gtk-doc --disable-valgrind
               --disable-maintainer-mode --enable-debug --with-zstd --with-tools) ;;
    clang)
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --with-zstd --with-tools
               CC=clang) ;;
    fuzz)
      # "make fuzz" alone: no shared library is linked
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --disable-debug
               --with-zstd --without-tools --enable-fuzzing CC=clang CFLAGS="-O1 -g") ;;
    install | prefix)
      options=(--enable-introspection=yes --enable-vala=yes --disable-gtk-doc --disable-valgrind
               --with-zstd --with-tools --prefix="$dir/prefix")
      [ "$variant" = prefix ] || options+=(--enable-installed-tests) ;;
    coverage)
      # Threads count without losses; -O0 keeps each line and branch as it was written, and
      # calls functions of libm that are inline otherwise. Only lsobs/ is measured.
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --with-zstd --without-tools
               --enable-code-coverage CFLAGS="-O0 -g -fprofile-update=atomic" LIBS=-lm) ;;
    tsan)
      # with the libraries of races_prepare
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --with-zstd --without-tools
               PKG_CONFIG_PATH="$races_lib/pkgconfig"
               CFLAGS="$races_cflags -fsanitize=thread") ;;
    helgrind)
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --with-zstd --without-tools
               PKG_CONFIG_PATH="$races_lib/pkgconfig" CFLAGS="$races_cflags") ;;
    analyzer)
      # what is compiled there is never run
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --with-zstd --without-tools) ;;
    i386 | newer)
      # What configure is made with is not there, and neither are the interpreters and SQLite.
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --disable-maintainer-mode
               --enable-debug --enable-compile-warnings=error --with-zstd --without-tools) ;;
    minimal)
      # with nothing that can be left out
      options=(--disable-introspection --disable-gtk-doc --disable-valgrind --without-zstd
               --without-tools) ;;
    *)
      options=(--enable-introspection=yes --enable-vala=yes --enable-gtk-doc --with-zstd --with-tools) ;;
  esac

  [ -x "$top/configure" ] || { say "autoreconf"; (cd "$top" && autoreconf --force --install); }
  mkdir -p "$dir"
  [ -f "$dir/config.status" ] || { say "configure in ${dir##*/}"; (cd "$dir" && "$top/configure" -q "${options[@]}"); }
}

# build [VARIANT]: compiles there
build () {
  local dir="$top/_build${1:+-$1}"
  configure_build "$@"
  say "make in ${dir##*/}"
  make -s -C "$dir" -j"$jobs"
}
