# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What is published of a release: the tarball, its checksums, and the packages that are made of it.
# Read by ../dev.

release_dir=$top/_build-release

# release_tarball DIR: makes the tarball of the last commit in a clone of its own, DIR, and prints its path.
# All that differs from machine to machine and from day to day is left out of it.
release_tarball () (
  local dir=$1 version
  git -c advice.detachedHead=false clone -q --no-local "$top" "$dir"
  cd "$dir"
  ./dev build > build.log 2>&1 || { tail -n 50 build.log >&2; return 1; }
  make -s -C _build dist > dist.log 2>&1 || { cat dist.log >&2; return 1; }
  version=$(sed -n 's/^PACKAGE_VERSION = //p' _build/Makefile)
  echo "$dir/_build/lsobs-$version.tar.xz"
)

# release_wrap TARBALL RECEIVER: builds the example for Meson where no lsobs is installed, and runs it
release_wrap () {
  local dir=$release_dir/wrap
  cp -R "$top/examples/build-systems" "$dir"
  cp "$1" "$dir/subprojects/packagefiles"
  # without an address, Meson takes the file that is there
  sed -i -e /^source_url/d -e "/^source_filename/a source_hash = $(sha256sum < "$1" | cut -d ' ' -f 1)" \
    "$dir/subprojects/lsobs.wrap"
  meson setup --wrap-mode=forcefallback "$dir/_build" "$dir" > "$dir/log" 2>&1 || { tail -n 50 "$dir/log"; return 1; }
  ninja -C "$dir/_build" > "$dir/log" 2>&1 || { tail -n 50 "$dir/log"; return 1; }
  LD_LIBRARY_PATH=$(dirname "$(find "$dir/_build" -name 'liblsobs.so.0' | head -n 1)") \
    "$2" -- "$dir/_build/first-trace" | grep first-trace
}

# release_unfilled: the files that name a place which does not exist
release_unfilled () {
  (cd "$top" && git grep -l -F 'example.org' -- ':!po' ':!tests' ':!fuzz' ':!examples' ':!dev.d')
}

# release
release () {
  local one=$release_dir/one two=$release_dir/two tarball again
  [ -d "$top/.git" ] || [ -f "$top/.git" ] || die "release: a release is made from a git checkout, and this is none"
  [ -z "$(git -C "$top" status --porcelain)" ] \
    || die "release: there are changes that are not committed. Commit them, or put them aside with git stash"
  setup meson ninja-build
  TAR_OPTIONS="--sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w --mtime=@$(git -C "$top" log -1 --format=%ct)"
  SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct)
  export TAR_OPTIONS SOURCE_DATE_EPOCH
  rm -rf "$release_dir"
  mkdir "$release_dir"

  say "the tarball, twice"
  tarball=$(release_tarball "$one")
  again=$(release_tarball "$two")
  cmp "$tarball" "$again" || die "release: two tarballs of the same commit differ"
  rm -rf "$two"

  (cd "$one" && ./dev distcheck && ./dev deb && ./dev deb-test && ./dev rpm --nocheck && ./dev rpm-test)
  # each of them makes the tarball again
  cmp "$tarball" "$one"/_build-deb/lsobs_*.orig.tar.xz

  say "the wrap for Meson, with this tarball"
  release_wrap "$tarball" "$one/_build/examples/trace-receiver"

  mkdir "$release_dir/files"
  cp "$tarball" "$one"/_build-deb/*.{deb,dsc,changes,buildinfo} "$one"/_build-deb/*.debian.tar.xz \
    "$one"/_build-rpm/RPMS/*/*.rpm "$one"/_build-rpm/SRPMS/*.rpm "$release_dir/files"
  (cd "$release_dir/files" && sha256sum -- * > SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
  say "to publish, in ${release_dir##*/}/files"
  (cd "$release_dir/files" && ls -l)
  say "before that, fill in who publishes it and where, in place of example.org, in these files"
  release_unfilled
}
