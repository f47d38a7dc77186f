# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The official client for JavaScript with "lsobs serve". Read by ../dev.

# The version that the test was written for.
js_client=langsmith@0.12.0

# js_client_test: installs the client from npm, and has it write and read back
js_client_test () {
  local dir=$top/_build-js server rc=0
  command -v npm > /dev/null || setup nodejs npm
  build
  mkdir -p "$dir"
  [ -d "$dir/node_modules/langsmith" ] \
    || (cd "$dir" && npm install --no-audit --no-fund --no-save "$js_client") || die "npm has no $js_client"
  cp "$top/tests/tools/langsmith-client.mjs" "$dir/"
  rm -rf "$dir/home" "$dir/said"
  say "the client for JavaScript"
  XDG_STATE_HOME=$dir/home XDG_DATA_HOME=$dir/home "$top/_build/tools/lsobs" serve --port=0 --json > "$dir/said" &
  server=$!
  while [ ! -s "$dir/said" ] && kill -0 "$server" 2> /dev/null; do sleep 0.1; done
  # what it says is one line of JSON, with the address and the token first
  # shellcheck disable=SC2046
  (cd "$dir" && timeout 120 node --no-deprecation langsmith-client.mjs \
    $(sed -E 's/.*"url":"([^"]*)","token":"([^"]*)".*/\1 \2/' "$dir/said")) || rc=$?
  kill "$server" 2> /dev/null || true
  wait "$server" 2> /dev/null || true
  return "$rc"
}
