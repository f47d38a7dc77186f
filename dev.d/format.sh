# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The look of the C sources, as .clang-format has it. Read by ../dev.

# format [--check]
format () {
  local options=(-i)
  case ${1:-} in
    --check) options=(--dry-run --Werror) ;;
    '') ;;
    *) usage >&2; die "format: unknown option $1" ;;
  esac
  if command -v dnf > /dev/null; then
    setup clang-tools-extra
  else
    setup clang-format
  fi
  clang-format --version
  (cd "$top" && git ls-files -z '*.c' '*.h' | xargs -0 clang-format "${options[@]}")
}
