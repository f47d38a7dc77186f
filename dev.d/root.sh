# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# Small systems of Debian or Ubuntu in which lsobs is built and tested. Read by ../dev.

# what the C tests need
root_packages="gcc g++ libc6-dev make gettext pkg-config locales
  libglib2.0-dev libsoup-3.0-dev libjson-glib-dev libxxhash-dev libzstd-dev
  glib-networking ca-certificates shared-mime-info openssl python3 python3-h2"

# own_suite: the code name of this system
own_suite () {
  # shellcheck disable=SC1091
  (. /etc/os-release && echo "$VERSION_CODENAME")
}

# make_root ROOT SUITE MMDEBSTRAP-OPTIONS...: the system, unless it is there; from the archive
# that this system is from
make_root () {
  local root=$1 suite=$2 dir keyring keyrings=()
  shift 2
  [ ! -f "$root/.complete" ] || return 0
  setup_debian mmdebstrap
  say "a system of ${suite}, in ${root##*/}"
  dir=$root.apt
  rm -rf "$root" "$dir"
  mkdir "$dir"
  # the part with security updates may have no lists for another architecture, or another suite
  apt_sources | grep -v -- '-security ' | sed -E "s/ $(own_suite)([ -])/ $suite\\1/" > "$dir/debian.list"
  apt-config dump | grep -E '^Acquire::https?::' > "$dir/apt.conf" || true
  for keyring in /usr/share/keyrings/{debian,ubuntu}-archive-keyring.gpg; do
    [ ! -f "$keyring" ] || keyrings+=(--keyring="$keyring")
  done
  # force-unsafe-io: after a power cut, the system is made again; word splitting intended
  # shellcheck disable=SC2086
  mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --aptopt="$dir/apt.conf" "${keyrings[@]}" \
    --include="$(echo $root_packages | tr ' ' ,)" "$@" "$suite" "$root" "$dir/debian.list"
  touch "$root/.complete"
}

# run_in_root ROOT COMMAND...: with the sources where they are here; what is mounted there belongs
# to a caller with LSOBS_OWN_MOUNTS
run_in_root () {
  local root=$1
  shift
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mkdir -p "$root$top"
  mount --bind "$top" "$root$top"
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}
