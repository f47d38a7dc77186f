# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The first program that a user of lsobs meets, as README has it: what is tested
# is what is printed there. Read by ../dev, and by debian/tests/build.

# readme_first_trace README DIR: extracts the program to DIR, compiles it with the
# command of README, and insists that there is no warning
readme_first_trace () {
  local readme=$1 dir=$2 command
  awk '/^## / { wanted = ($0 == "## A first trace") }
       /^```/ { if (inside) exit; inside = wanted && $0 == "```c"; next }
       inside' "$readme" > "$dir/first-trace.c"
  command=$(sed -n 's/^    \(cc -o first-trace .*\)/\1/p' "$readme")
  if ! [ -s "$dir/first-trace.c" ] || [ -z "$command" ]; then
    echo "README has no first trace" >&2
    return 1
  fi
  echo "$command"
  (cd "$dir" && eval "$command -Wall -Wextra -Werror")
}
