# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# RPM packages for Fedora: made and judged, and installed into an empty root. On
# Debian there is no database of RPMs to ask what is installed, hence --nodeps.
# Read by ../dev.

rpm_dir=$top/_build-rpm

setup_rpm () {
  if command -v dnf > /dev/null; then
    setup rpm-build rpmlint
  else
    setup rpm rpmlint
  fi
}

# rpm_packages [--nocheck]
rpm_packages () {
  local version rc=0 passed failed skipped options=()
  case ${1:-} in
    --nocheck) options=(--nocheck) ;;
    '') ;;
    *) usage >&2; die "rpm: unknown option $1" ;;
  esac
  setup_rpm
  build
  say "the RPM packages"
  version=$(dist_version)
  rm -rf "$rpm_dir"
  mkdir "$rpm_dir"
  # a macro that comes with Fedora's python3-devel
  [ "$(rpm --eval '%{?python3_sitelib}')" ] || options+=(--define "python3_sitelib /usr/lib/python3/site-packages")
  RPM_BUILD_NCPUS=$test_jobs rpmbuild -ta --nodeps "${options[@]}" --define "_topdir $rpm_dir" "$top/_build/lsobs-$version.tar.xz" \
    > "$rpm_dir/build.log" 2>&1 || rc=$?
  if [ "$rc" = 0 ]; then
    # what was built is removed then, but this is left
    read -r passed failed skipped < <(awk '
      /^# (PASS|XFAIL): / { p += $3 } /^# (FAIL|XPASS|ERROR): / { f += $3 } /^# SKIP: / { s += $3 }
      END { print p + 0, f + 0, s + 0 }' "$rpm_dir/build.log")
    rpmlint --strict --config "$top/rpmlint.toml" "$rpm_dir"/RPMS/*/*.rpm "$rpm_dir"/SRPMS/*.rpm "$top/_build/lsobs.spec" || rc=$?
    (cd "$rpm_dir/RPMS" && ls -- */*.rpm)
  else
    show_failures "$rpm_dir/BUILD/lsobs-$version"
    read -r passed failed skipped < <(results "$rpm_dir/BUILD/lsobs-$version")
    tail -n 100 "$rpm_dir/build.log"
  fi
  echo "$passed passed, $failed failed, $skipped skipped" | sed 's/, 0 skipped$//'
  return "$rc"
}

# rpm_expect WHAT PATTERN: one line of the standard input is like that
rpm_expect () {
  grep -qE -- "$2" || { echo "$1: no $2"; return 1; }
}

rpm_test () {
  local root=$rpm_dir/root program=$rpm_dir/program force=() packages libdir
  setup_rpm
  build
  compgen -G "$rpm_dir/RPMS/*/*.rpm" > /dev/null || rpm_packages
  rm -rf "$root" "$program"
  mkdir -p "$root" "$program"
  # Debian's rpm wants to be told that it is meant
  [ ! -f /etc/debian_version ] || force=(--force-debian)
  packages=("$rpm_dir"/RPMS/*/*.rpm)

  say "install into an empty root"
  rpm --root "$root" --initdb
  rpm --root "$root" "${force[@]}" --install --nodeps "${packages[@]}"
  rpm --root "$root" --verify --nodeps -a
  [ -z "$(rpm --root "$root" -qa --scripts)" ] || { echo "there are scripts, which nothing needs"; return 1; }
  libdir=$(rpm --eval '%{_libdir}')

  say "what the packages provide and require"
  rpm --root "$root" -q --provides lsobs | rpm_expect provides '^liblsobs\.so\.0\(\)'
  rpm --root "$root" -q --provides lsobs-devel | rpm_expect provides '^pkgconfig\(lsobs\) = '
  rpm --root "$root" -q --requires lsobs | rpm_expect requires '^libsoup-3\.0\.so\.0\(\)'
  rpm --root "$root" -q --requires lsobs-devel | rpm_expect requires '^pkgconfig\(json-glib-1\.0\) >= 1\.6'
  rpm --root "$root" -q --requires lsobs-devel | rpm_expect requires '^lsobs(\(.*\))? = '
  rpm --root "$root" -q --requires lsobs-tests | rpm_expect requires '^lsobs(\(.*\))? = '

  say "compile and run the program of README"
  # the root is not /: lsobs alone is in there
  sed "s,=/usr,=$root/usr," "$root$libdir/pkgconfig/lsobs.pc" > "$program/lsobs.pc"
  export PKG_CONFIG_PATH=$program LD_LIBRARY_PATH=$root$libdir
  readme_first_trace "$top/README" "$program"
  "$top/_build/examples/trace-receiver" -- "$program/first-trace" | tee "$program/trace"
  grep -q first-trace "$program/trace"

  say "the program lsobs"
  "$root$(rpm --eval '%{_bindir}')/lsobs" --version
  # its list of what it needs has none of the library: it contains that
  ! rpm --root "$root" -q --requires lsobs-tools | grep '^liblsobs\.so' || { echo "lsobs-tools needs the library"; return 1; }

  say "erase"
  # word splitting intended
  # shellcheck disable=SC2046
  rpm --root "$root" "${force[@]}" --erase --nodeps $(rpm --root "$root" -qa --qf '%{NAME} ')
  [ -z "$(find "$root" -iname '*lsobs*' -print)" ] || { find "$root" -iname '*lsobs*'; return 1; }
}
