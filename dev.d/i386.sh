# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The tests on a machine of 32 bits, where pointers, sizes and "long" have 32 bits. Read by ../dev.
#
# They are built and run in a small system of their own, below _build-i386-root/. Packages of two
# architectures beside each other have to be of exactly the same version, so that a machine whose
# lists are not of one moment cannot install them; and nothing here changes the machine.

i386_root=$top/_build-i386-root

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
    setup_debian mmdebstrap arch-test
    make_root "$i386_root" "$(own_suite)" --architectures=i386
    # configure, and what is made with it
    setup
    build
    # the mounts are in a namespace of their own, which ends with this process
    exec env LSOBS_OWN_MOUNTS=1 unshare --mount "$top/dev" check --i386 "$@"
  fi
  run_in_root "$i386_root" setarch i686 env LSOBS_IN_I386=1 "$top/dev" check --i386 "$@"
}
