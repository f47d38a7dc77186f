# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The official client for JavaScript with "lsobs serve". Read by ../dev.

# The version that the test was written for.
js_client=langsmith@0.12.0

# install_js_client DIRECTORY: from npm, whose cache is temporary
install_js_client () {
  local cache rc=0
  [ "$(cat "$1/installed" 2> /dev/null)" != "$js_client" ] || return 0
  rm -rf "$1/node_modules" "$1/package.json"
  echo '{"private":true}' > "$1/package.json"
  cache=$(mktemp -d)
  (cd "$1" && npm install --cache="$cache" --no-update-notifier --no-audit --no-fund --no-save \
    --no-package-lock --ignore-scripts "$js_client") || rc=$?
  rm -rf "$cache"
  [ "$rc" = 0 ] || die "$js_client could not be installed from npm"
  echo "$js_client" > "$1/installed"
}

# js_client_test: has the client write and read back. Prints how many of its tests have passed.
js_client_test () {
  local dir=$top/_build-js server rc=0
  if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    setup nodejs npm
  fi
  build
  mkdir -p "$dir"
  install_js_client "$dir"
  cp "$top/tests/tools/langsmith-client.mjs" "$dir/"
  rm -rf "${dir:?}/home" "$dir/said"
  say "the client for JavaScript"
  (
    # shellcheck disable=SC1091
    . "$top/tests/hermetic.sh"
    XDG_STATE_HOME=$dir/home XDG_DATA_HOME=$dir/home exec "$top/_build/tools/lsobs" serve --port=0 --json
  ) > "$dir/said" < /dev/null &
  server=$!
  while [ ! -s "$dir/said" ] && kill -0 "$server" 2> /dev/null; do sleep 0.1; done
  # What the server says is one line of JSON, with the address and the token first.
  # shellcheck disable=SC1091,SC2046
  (cd "$dir" && . "$top/tests/hermetic.sh" && timeout --kill-after=10 180 node --no-deprecation \
    langsmith-client.mjs $(sed -E 's/.*"url":"([^"]*)","token":"([^"]*)".*/\1 \2/' "$dir/said")) < /dev/null || rc=$?
  kill "$server" 2> /dev/null || true
  # It ends well, with all that it has written.
  wait "$server" || rc=$?
  return "$rc"
}
