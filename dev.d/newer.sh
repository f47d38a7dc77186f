# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The tests with the GLib, JSON-GLib and libsoup of the next Debian. Read by ../dev.

newer_root=$top/_build-newer-root

# The tests that depend on libsoup, GIO's TLS and GLib's main context. What a compiler or an
# interpreter of the next Debian thinks of lsobs is another question.
newer_tests="
  tests/api/test-message-call tests/api/test-model-call tests/api/test-usage
  tests/api/test-client tests/api/test-client-answer tests/api/test-client-compress tests/api/test-client-info
  tests/api/test-conformance tests/api/test-conformance-fork tests/api/test-conformance-reactions
  tests/api/test-http1 tests/api/test-http2 tests/api/test-tls
  tests/api/test-replay tests/api/test-resources
  tests/unit/test-client-retry tests/unit/test-exchange tests/unit/test-json tests/unit/test-proxy tests/unit/test-service
  tests/unit/test-service-address"

# newer_suite: the Debian after this one
newer_suite () {
  case $(own_suite) in
    bookworm) echo trixie ;;
    trixie) echo forky ;;
    *) die "newer-debian knows what comes after Debian 12 and 13; this is another system" ;;
  esac
}

# newer_debian MAKE-ARGUMENTS...: as root
newer_debian () {
  local dir=$top/_build-newer suite
  if [ -n "${LSOBS_IN_NEWER:-}" ]; then
    # word splitting intended
    # shellcheck disable=SC2086,SC2116
    has_choice "$@" || set -- "TESTS=$(echo $newer_tests)" "$@"
    build newer
    say "with $(pkg-config --modversion glib-2.0 json-glib-1.0 libsoup-3.0 | paste -sd ' ' | sed -E 's/(.*) (.*) (.*)/GLib \1, JSON-GLib \2 and libsoup \3/')"
    run_tests "$dir" check-am "$@"
    return
  fi
  [ "$(id -u)" = 0 ] || die "newer-debian makes a system below _build-newer-root/ and enters it, which only root can"
  if [ -z "${LSOBS_OWN_MOUNTS:-}" ]; then
    suite=$(newer_suite)
    make_root "$newer_root" "$suite"
    # configure, and what is made with it
    setup
    build
    # the mounts are in a namespace of their own, which ends with this process
    exec env LSOBS_OWN_MOUNTS=1 unshare --mount "$top/dev" newer-debian "$@"
  fi
  run_in_root "$newer_root" env LSOBS_IN_NEWER=1 "$top/dev" newer-debian "$@"
}
