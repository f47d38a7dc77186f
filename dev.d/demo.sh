# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An agent, and the service that keeps its traces.

# demo [--stay] [ARGUMENTS OF THE AGENT]
demo () {
  local stay='' line url home=$top/_build/demo
  if [ "${1:-}" = --stay ]; then stay=yes; shift; fi

  say "building, which takes a minute the first time"
  build > /dev/null
  # no trace, token or setting of this user
  rm -rf "$home" && mkdir -p -m 700 "$home"
  export XDG_DATA_HOME=$home/data XDG_STATE_HOME=$home/state XDG_RUNTIME_DIR=$home
  export LANGSMITH_CONFIG_FILE=/dev/null
  unset LANGSMITH_PROFILE

  coproc service { exec "$top/_build/tools/lsobs" serve --port 0 --json; }
  # shellcheck disable=SC2154 # coproc sets it
  trap 'kill "$service_PID" 2> /dev/null || true' EXIT
  read -r -t 60 line <&"${service[0]}" || die "the service has not started"
  url=$(sed -nE 's,.*"url":"([^"]*)"\,"token":"([^"]*)".*,\1/?token=\2,p' <<< "$line")
  [ -n "$url" ] || die "the service has not said its address: $line"

  say "running the agent"
  "$top/_build/tools/lsobs" run -- "$top/_build/examples/react-agent" "$@"
  if [ -z "$stay" ]; then
    say "the trace was at $url (./dev demo --stay keeps the service running)"
  else
    say "look at $url (Ctrl-C ends the service)"
    trap 'exit 0' INT TERM
    wait "$service_PID"
  fi
}
