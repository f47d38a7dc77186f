# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Debian packages: made, judged, and tried in a fresh system. Read by ../dev.

deb_dir=$top/_build-deb
deb_test_dir=$top/_build-deb-test
deb_root=$deb_test_dir/root

# setup_debian PACKAGES...: what only Debian has
setup_debian () {
  command -v apt-get > /dev/null || die "packages for Debian are made and tried on Debian or Ubuntu"
  setup "$@"
}

# dist_version: makes the tarball, _build/lsobs-VERSION.tar.xz, and prints VERSION
dist_version () {
  make -s -C "$top/_build" -j"$jobs" dist > "$top/_build/dist.log" 2>&1 || { cat "$top/_build/dist.log" >&2; return 1; }
  sed -n 's/^PACKAGE_VERSION = //p' "$top/_build/Makefile"
}

# deb_source DIR: unpacks the source package below DIR, and prints its directory
deb_source () {
  local dir=$1 version
  [ -d "$top/debian" ] || die "debian/ is in a git checkout, not in the tarball"
  version=$(dist_version)
  rm -rf "$dir"
  mkdir "$dir"
  cp "$top/_build/lsobs-$version.tar.xz" "$dir/lsobs_$version.orig.tar.xz"
  tar -C "$dir" -xf "$dir/lsobs_$version.orig.tar.xz"
  # nothing that an editor or another build has left in debian/
  (cd "$top" && git ls-files -z --cached --others --exclude-standard debian \
    | tar --null --files-from=- -cf -) | tar -C "$dir/lsobs-$version" -xf -
  echo "$dir/lsobs-$version"
}

# deb [--nocheck | --bootstrap | --arch | --indep]
deb () {
  local option=${1:-} dir source profiles='' options='' scope=full rc=0 passed failed skipped
  case $option in
    '') ;;
    --nocheck) options=nocheck ;;
    # no tests, no documentation, no program, nothing that is not needed
    --bootstrap) profiles='nocheck nodoc noinsttest pkg.lsobs.notools' options='nocheck nodoc' scope=binary ;;
    --arch) options=nocheck scope=any ;;
    --indep) options=nocheck scope=all ;;
    *) usage >&2; die "deb: unknown option $option" ;;
  esac

  dir=$deb_dir
  case $option in
    --bootstrap | --arch | --indep) dir=$deb_dir${option/--/-} ;;
  esac
  setup_debian dpkg-dev debhelper lintian blhc
  build
  say "the Debian packages, in ${dir##*/}"
  source=$(deb_source "$dir")
  (cd "$source" && dpkg-checkbuilddeps) \
    || install apt-get -q -y --no-install-recommends build-dep "$source"

  (cd "$source" && DEB_BUILD_PROFILES=$profiles DEB_BUILD_OPTIONS="parallel=$test_jobs $options" \
    dpkg-buildpackage -us -uc --build="$scope") > "$dir/build.log" 2>&1 || rc=$?
  show_failures "$source"
  read -r passed failed skipped < <(results "$source")
  if [ "$rc" != 0 ]; then
    tail -n 100 "$dir/build.log"
    echo "$passed passed, $failed failed, $skipped skipped"
    return "$rc"
  fi

  # The other tests do not depend on where the build is; these read the sources, beside what is built.
  if [ "$option" = --nocheck ]; then
    say "the checks of the sources, in ${dir##*/}"
    make -C "$source" check-am TESTS="$(cd "$source" && echo tests/checks/test-*.sh)" > "$dir/check.log" 2>&1 || rc=$?
    show_failures "$source"
    read -r passed failed skipped < <(results "$source")
    [ "$rc" = 0 ] || { echo "$passed passed, $failed failed, $skipped skipped"; return "$rc"; }
  fi

  # What was not compiled with all that hardens. lintian cannot tell: it misses the
  # fortified functions of programs that call none which could be.
  blhc --bindnow "$dir/build.log"
  lintian --allow-root --tag-display-limit 0 --display-info --pedantic \
    --suppress-tags hardening-no-fortify-functions --fail-on error,warning,info,pedantic "$dir"/*.changes
  echo "blhc and lintian: nothing to say"
  (cd "$dir" && ls -- *.deb)
  [ "$((passed + failed))" = 0 ] || echo "$passed passed, $failed failed, $skipped skipped" | sed 's/, 0 skipped$//'
}

# --- in a fresh system -------------------------------------------------------

# apt_sources: the archive of this system, as apt knows it
apt_sources () {
  # shellcheck disable=SC2016
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' \
    | sed -nE 's/ (Debian|Ubuntu)$//p' | sort -u
}

in_root () {
  chroot "$deb_root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"
}

root_apt () {
  in_root apt-get -q -y --no-install-recommends "$@" > "$deb_test_dir/log" 2>&1 || { cat "$deb_test_dir/log"; return 1; }
}

root_ours () {
  # shellcheck disable=SC2016
  in_root dpkg-query -W -f '${source:Package} ${Package} ${db:Status-Abbrev}\n' | awk '$1 == "lsobs" { print $2 }'
}

# root_files: all files, with what a package can have changed of them
root_files () {
  find "$deb_root" -xdev \( -path "$deb_root/proc" -o -path "$deb_root/dev" -o -path "$deb_root/sys" \
      -o -path "$deb_root/tmp" -o -path "$deb_root/var/log" -o -path "$deb_root/var/cache/apt" \
      -o -path "$deb_root/var/lib/apt" -o -path "$deb_root/var/lib/dpkg/*-old" \
      -o -path "$deb_root/var/cache/ldconfig" -o -path "$deb_root/var/lib/dpkg/lock*" \) -prune \
    -o -type f ! -path "$deb_root/var/lib/dpkg/*" -printf '%P %M %u %g %s\n' -o -printf '%P %M %u %g %l\n' | sort
}

# install_and_purge PACKAGES... -- COMMAND...: COMMAND is run between the two
install_and_purge () {
  local wanted=() others
  while [ "$1" != -- ]; do wanted+=("$1"); shift; done
  shift

  others=$(in_root apt-get -s --no-install-recommends install "${wanted[@]}" \
    | awk '/^Inst / && $2 !~ /lsobs/ { print $2 }')
  # word splitting intended
  # shellcheck disable=SC2086
  root_apt install $others
  root_files > "$deb_test_dir/before"
  root_apt install "${wanted[@]}"
  "$@"
  # shellcheck disable=SC2046
  root_apt purge $(root_ours)
  root_files > "$deb_test_dir/after"
  diff "$deb_test_dir/before" "$deb_test_dir/after"
}

first_trace_in_root () {
  cp "$top/README" "$top/dev.d/readme.sh" "$deb_root/tmp/"
  in_root bash -c '. /tmp/readme.sh && readme_first_trace /tmp/README /tmp'
  "$top/_build/examples/trace-receiver" -- chroot "$deb_root" /tmp/first-trace | tee "$deb_test_dir/trace"
  grep -q first-trace "$deb_test_dir/trace"
}

# tools_in_root: the program lsobs; first_trace_in_root was run
tools_in_root () {
  local home=HOME=/tmp/home
  in_root lsobs --version | tee "$deb_test_dir/tools"
  grep -q '^lsobs [0-9]' "$deb_test_dir/tools"
  # not a version of the package without that command
  if in_root "$home" lsobs run --help > /dev/null 2>&1; then
    # the traces are on standard error
    in_root "$home" lsobs run -- /tmp/first-trace 2>&1 | tee "$deb_test_dir/tools"
    grep -q first-trace "$deb_test_dir/tools"
  fi
}

autopkgtest_in_root () {
  local summary=$deb_test_dir/autopkgtest/summary rc=0
  autopkgtest --no-built-binaries --user root --output-dir "$deb_test_dir/autopkgtest" \
    "$(echo "$deb_dir"/lsobs-*/)" -- chroot "$deb_root" > "$deb_test_dir/log" 2>&1 || rc=$?
  # 2 and 8: a test was skipped
  [ "$rc" = 0 ] || cat "$deb_test_dir/log"
  grep -rhE '^ok .* # SKIP' "$deb_test_dir/autopkgtest" || true
  cat "$summary"
  echo "$(grep -c ' PASS' "$summary") passed, $(grep -cE ' (FAIL|SKIP)' "$summary") failed"
  return "$rc"
}

deb_test () {
  local keyring keyrings=()
  [ "$(id -u)" = 0 ] || die "deb-test makes a system below _build-deb-test/ and enters it, which only root can"
  # what is mounted there is nobody else's, and gone with us
  [ -n "${LSOBS_OWN_MOUNTS:-}" ] || exec env LSOBS_OWN_MOUNTS=1 unshare --mount "$top/dev" deb-test
  setup_debian mmdebstrap autopkgtest dpkg-dev
  build
  compgen -G "$deb_dir/*.deb" > /dev/null || deb ''

  say "a fresh system"
  rm -rf "$deb_test_dir"
  mkdir "$deb_test_dir"
  apt_sources > "$deb_test_dir/debian.list"
  apt-config dump | grep -E '^Acquire::https?::' > "$deb_test_dir/apt.conf" || true
  for keyring in /usr/share/keyrings/{debian,ubuntu}-archive-keyring.gpg; do
    [ ! -f "$keyring" ] || keyrings+=(--keyring="$keyring")
  done
  # nobody wants it back after a power cut
  # shellcheck disable=SC1091
  mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --aptopt="$deb_test_dir/apt.conf" "${keyrings[@]}" \
    --skip=cleanup/apt/lists "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$deb_root" "$deb_test_dir/debian.list"
  mkdir "$deb_root/srv/lsobs"
  cp "$deb_dir"/*.deb "$deb_root/srv/lsobs"
  (cd "$deb_root/srv/lsobs" && dpkg-scanpackages -m . > Packages 2> /dev/null)
  echo "deb [trusted=yes] file:/srv/lsobs ./" > "$deb_root/etc/apt/sources.list.d/lsobs.list"
  root_apt update
  mount -t proc proc "$deb_root/proc"

  say "the program of README, with nothing but build-essential and liblsobs-dev"
  install_and_purge build-essential liblsobs-dev -- first_trace_in_root
  say "the program lsobs, with nothing but lsobs-tools and liblsobs0"
  install_and_purge lsobs-tools liblsobs0 -- tools_in_root
  say "all packages, installed and purged"
  # shellcheck disable=SC2046
  install_and_purge $(cd "$deb_dir" && for p in *.deb; do echo "${p%%_*}"; done) -- true
  say "the tests of the packages"
  autopkgtest_in_root
}
