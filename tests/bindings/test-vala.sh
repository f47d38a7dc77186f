#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compiles vala-program.vala against the fresh vapi, without a warning, and runs its
# tests. The vapi says of properties and fields, too, whether they may be null.
set -u

builddir=$G_TEST_BUILDDIR/..
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT

cat > "$tmp/null.vala" <<'END'
void clear (Lsobs.Config config, Lsobs.RunMetadata metadata) {
  string? error_text = metadata.error_text;
  config.api_key = null;
  config.api_url = null;
  config.failed_traces_dir = null;
  config.project_name = null;
  config.redact_regex = null;
  config.revision_id = null;
  config.sampler = null;
  config.workspace_id = error_text;
}
void leave_out (Lsobs.Observer observer, Soup.Message message) throws Error {
  new Lsobs.Config ().load_profile ();
  var run = observer.start_nested_run ("run", Lsobs.RunType.CHAIN);
  run.start_child ("child", Lsobs.RunType.TOOL).end ();
  run.add_event ("event");
  run.add_feedback ("key", 1);
  run.end ();
  observer.trace_message (message);
  observer.begin_invocation ("graph").end ();
}
async void send (Soup.Session session, Soup.Message message) throws Error {
  yield Lsobs.session_send_async (session, message);
}
END
if ! "$VALAC" -C -d "$tmp" --enable-experimental-non-null --vapidir "$builddir/lsobs" \
     --girdir "$builddir/lsobs" --pkg lsobs "$tmp/null.vala" > "$tmp/said" 2>&1; then
  sed 's/^/# /' "$tmp/said"
  echo "1..1"
  echo "not ok 1 null is not taken where it may be, or something cannot be left out"
  exit 0
fi

if grep -A3 'replacement = "' "$builddir/lsobs/lsobs.vapi" > "$tmp/said"; then
  sed 's/^/# /' "$tmp/said"
  echo "1..1"
  echo "not ok 1 members of types are there a second time"
  exit 0
fi

if ! "$VALAC" --vapidir "$builddir/lsobs" --girdir "$builddir/lsobs" --pkg lsobs --cc "$CC" \
     -X -w -X -I"$G_TEST_SRCDIR/.." -X -I"$builddir" -X -L"$builddir/lsobs/.libs" -X -llsobs \
     -o "$tmp/program" "$G_TEST_SRCDIR/bindings/vala-program.vala" > "$tmp/said" 2>&1; then
  sed 's/^/# /' "$tmp/said"
  echo "1..1"
  echo "not ok 1 the program does not compile"
  exit 0
fi
# a guard is there for what its end does
if grep 'warning:' "$tmp/said" | grep -v 'declared but never used' > "$tmp/warned"; then
  sed 's/^/# /' "$tmp/warned"
  echo "1..1"
  echo "not ok 1 the program compiles with warnings"
  exit 0
fi
"$tmp/program"
