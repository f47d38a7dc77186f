# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# What has to be installed. Read by ../dev.

debian_packages="
  gcc g++ make autoconf autoconf-archive automake libtool gettext autopoint locales
  pkg-config xz-utils
  libglib2.0-dev libsoup-3.0-dev libjson-glib-dev libxxhash-dev libzstd-dev
  libsqlite3-dev
  gobject-introspection libgirepository1.0-dev gir1.2-json-1.0 valac
  gtk-doc-tools groff-base appstream
  abigail-tools
  python3 python3-gi python3-h2 gjs
  libgtk-4-dev gir1.2-gtk-4.0 xvfb dbus
  glib-networking openssl
  codespell"
fedora_packages="
  gcc gcc-c++ make autoconf autoconf-archive automake libtool gettext-devel glibc-locale-source
  pkgconf-pkg-config xz diffutils libasan libubsan
  glib2-devel libsoup3-devel json-glib-devel xxhash-devel libzstd-devel
  sqlite-devel
  gobject-introspection-devel vala
  gtk-doc groff-base appstream
  libabigail
  python3 python3-gobject-base python3-h2 gjs
  gtk4-devel xorg-x11-server-Xvfb dbus-daemon
  glib-networking openssl
  codespell"

debian_missing () {
  local p
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"
  done
}

fedora_missing () {
  local p
  for p in "$@"; do
    rpm -q --quiet --whatprovides "$p" 2>/dev/null || printf '%s ' "$p"
  done
}

# install COMMAND...: runs the command as root, after an update of apt's lists
install () {
  local root=()
  if [ "$(id -u)" != 0 ]; then
    # without a terminal there is nobody to type a password
    if ! command -v sudo > /dev/null || ! { [ -t 0 ] || sudo -n true 2> /dev/null; }; then
      die "only root can install them, and there is no sudo that would. As root, run: $*"
    fi
    root=(sudo)
  fi
  if [ "$1" = apt-get ]; then
    "${root[@]}" apt-get -q update || echo "The package lists could not be updated; trying with the old ones."
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" || die "they could not be installed. As root, run: $*"
}

# setup [EXTRA PACKAGES]: packages that have one name everywhere
setup () {
  local missing
  # word splitting intended: these are lists of packages
  # shellcheck disable=SC2086
  if command -v apt-get > /dev/null; then
    missing=$(debian_missing $debian_packages "$@")
    [ -n "$missing" ] || return 0
    say "lsobs is built and tested with these packages, which are missing: $missing"
    install apt-get -q -y --no-install-recommends install $missing
  elif command -v dnf > /dev/null; then
    missing=$(fedora_missing $fedora_packages "$@")
    [ -n "$missing" ] || return 0
    say "lsobs is built and tested with these packages, which are missing: $missing"
    install dnf -y --setopt=install_weak_deps=False install $missing
  elif ! command -v autoreconf > /dev/null; then
    die "neither apt-get nor dnf is here. Install what is the same as Fedora's:" $fedora_packages "$@"
  fi
}
