# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The tests on a machine of 32 bits, where pointers, sizes and "long" have 32 bits. Read by ../dev.
#
# They are built and run in a small system of their own, below _build-i386-root/. Packages of two
# architectures beside each other have to be of exactly the same version, so that a machine whose
# lists are not of one moment cannot install them; and nothing here changes the machine.

i386_root=$top/_build-i386-root

# what the C tests need, as the names are in Debian
i386_packages="gcc g++ libc6-dev make gettext pkg-config locales
  libglib2.0-dev libsoup-3.0-dev libjson-glib-dev libxxhash-dev libzstd-dev
  glib-networking openssl python3 python3-h2"

# make_i386_root: the system, unless it is there
make_i386_root () {
  local keyring keyrings=() dir=$top/_build-i386
  [ ! -f "$i386_root/.complete" ] || return 0
  setup_debian mmdebstrap arch-test
  say "a system of 32 bits, in ${i386_root##*/}"
  rm -rf "$i386_root"
  mkdir -p "$dir"
  # what of the archive has no lists for i386 is not needed
  apt_sources | grep -v -- '-security ' > "$dir/debian.list"
  for keyring in /usr/share/keyrings/{debian,ubuntu}-archive-keyring.gpg; do
    [ ! -f "$keyring" ] || keyrings+=(--keyring="$keyring")
  done
  apt-config dump | grep -E '^Acquire::https?::' > "$dir/apt.conf" || true
  # word splitting intended
  # shellcheck disable=SC1091,SC2086
  mmdebstrap --quiet --architectures=i386 --variant=minbase --dpkgopt=force-unsafe-io --aptopt="$dir/apt.conf" \
    "${keyrings[@]}" --include="$(echo $i386_packages | tr ' ' ,)" \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$i386_root" "$dir/debian.list"
  touch "$i386_root/.complete"
}

# check_i386 MAKE-ARGUMENTS...: as root
check_i386 () {
  local dir=$top/_build-i386
  if [ -n "${LSOBS_IN_I386:-}" ]; then
    # inside; the interpreters, and what they need, are not there
    # make replaces these variables by their values
    # shellcheck disable=SC2016
    has_choice "$@" || set -- 'TESTS=$(tests_public) $(tests_private) $(fuzz_programs)' "$@"
    build i386
    run_tests "$dir" check-am "$@"
    return
  fi
  [ "$(id -u)" = 0 ] || die "check --i386 makes a system below _build-i386-root/ and enters it, which only root can"
  if [ -z "${LSOBS_OWN_MOUNTS:-}" ]; then
    make_i386_root
    # configure, and what is made with it
    setup
    build
    # what is mounted there is nobody else's, and gone with us
    exec env LSOBS_OWN_MOUNTS=1 unshare --mount "$top/dev" check --i386 "$@"
  fi
  mount -t proc proc "$i386_root/proc"
  mount --rbind /dev "$i386_root/dev"
  mkdir -p "$i386_root$top"
  mount --bind "$top" "$i386_root$top"
  setarch i686 chroot "$i386_root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    LSOBS_IN_I386=1 "$top/dev" check --i386 "$@"
}
