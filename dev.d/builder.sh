# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The tests as the servers of distributions run them: by a user who may nothing, without a home,
# a terminal or a network, and with sources that cannot be written. Read by ../dev.

builder_dir=$top/_build-builder
# where the sources are seen then, so that nobody has to be let into the folders above them
builder_view=/mnt

# builder_run COMMAND...: runs it there, as the user "nobody", with a network of which nothing but
# the loopback interface is left
builder_run () {
  setsid --wait setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups --bounding-set=-all --no-new-privs \
    env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME=/nonexistent LOGNAME=nobody USER=nobody \
    LSOBS_IS_BUILDER=1 "$@" < /dev/null
}

# check_as_builder MAKE-ARGUMENTS...: as root
check_as_builder () {
  if [ -n "${LSOBS_IS_BUILDER:-}" ]; then
    # the user, who sees $builder_view as $top
    ! touch "$top/_build-builder-try" 2> /dev/null || die "the sources can be written"
    build builder
    run_tests "$builder_dir" check "$@"
    return
  fi
  [ "$(id -u)" = 0 ] || die "check --as-builder becomes another user, in a network of its own, which only root can"
  if [ -z "${LSOBS_OWN_MOUNTS:-}" ]; then
    # configure, what is made with it, and what needs the network
    setup iproute2
    build
    exec env LSOBS_OWN_MOUNTS=1 unshare --mount --net --ipc "$top/dev" check --as-builder "$@"
  fi
  ip link set lo up
  mkdir -p "$builder_dir"
  chown -R nobody: "$builder_dir"
  mount --bind "$top" "$builder_view"
  mount -o remount,bind,ro "$builder_view"
  mount --bind "$builder_dir" "$builder_view/${builder_dir##*/}"
  builder_run "$builder_view/dev" check --as-builder "$@"
}
