#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may use what of lsobs/transport/, lsobs/http/ and lsobs/pipeline/. Each private header says
# one of these:
#
# - "used in the worker's context only", or "used only in the context that sends": each function
#   asserts that this thread owns that context. The comment of an exception says where it is called,
#   or it makes or frees the object.
# - "thread-safe": any thread.
# - "immutable", or "pure functions": any thread, as nothing changes.
#
# A callback asserts its context, or its comment names the thread that calls it.
folders="transport spool http pipeline"

# What the comment of a function says that has no context to assert, as a part of a sentence.
elsewhere="called from any thread|before anything is sent|in a forked child"
elsewhere="$elsewhere|thread-default context|and asserts the context|called in (a|the) thread"

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# list_headers FILES: lines of FILE CLASS, where CLASS is "context", "any", "value" or "-"
list_headers () {
  for file in "$@"; do
    text=$(tr '\n' ' ' < "$file" | sed 's/ \* / /g; s/  */ /g')
    case $(echo "$text" | tr '[:upper:]' '[:lower:]') in
      *"thread-safe, except for"*) class=any ;;
      *"used in the worker's context only"* | *"used only in the context that sends"*) class=context ;;
      *thread-safe*) class=any ;;
      *immutable* | *"pure functions"* | *"plain value"*) class=value ;;
      *) class=- ;;
    esac
    echo "$file $class"
  done
}

# list_functions FILES: lines of FILE KIND NAME, without those that assert or say why not. KIND is
# "private", "callback" or "static".
list_functions () {
  awk -v elsewhere="$elsewhere" '
    function put(    kind) {
      kind = name ~ /^_lsobs_/ ? "private" : name ~ /_cb$/ ? "callback" : "static"
      n++
      if (body ~ /assert_context \(|g_main_context_is_owner \(/) return
      gsub(/[ \t]+(\* )?/, " ", comment)
      # it does nothing
      if (body ~ /^ *return [A-Z_]+;$/) return
      if (tolower(comment) ~ elsewhere) return
      if (name ~ /_(new|ref|unref|free|init|clear)(_[a-z]+)?$/) return
      print FILENAME, kind, name, tolower(comment) ~ /called in the context/ ? "in" : "-"
    }
    FNR == 1 { inside = in_comment = has_name = 0; comment = "" }
    !inside && /^\/\*/ { comment = ""; in_comment = 1 }
    !inside && in_comment { comment = comment " " $0; if (/\*\//) in_comment = 0; next }
    !inside && /^[a-z_][a-z0-9_]* \(/ { name = $1; has_name = 1 }
    !inside && has_name && /^[{]/ { inside = 1; body = ""; next }
    !inside && /^#|;$/ { has_name = 0 }
    !inside && /^$/ && !has_name { comment = "" }
    inside && /^[}]/ { put(); inside = has_name = 0; comment = ""; next }
    inside { body = body $0 }
    END { print "- count", n + 0 }
  ' "$@"
}

# The search is tried first: it finds three of these functions, and no other.
cat > "$tmp/sample.c" << 'SAMPLE'
void
_lsobs_thing_open (Thing *self)
{
  self->open = TRUE;
}

/* Called from any thread. */
void
_lsobs_thing_peek (Thing *self)
{
  self->open = TRUE;
}

/* Called in the context of
 * the task. */
static gboolean
opened_cb (gpointer user_data)
{
  open (user_data);
}

/* Called in the context. */
static void
finish (Thing *self)
{
  self->open = FALSE;
}

void
_lsobs_thing_close (Thing *self,
                    int now)
{
  g_assert (g_main_context_is_owner (self->context));
  self->open = FALSE;
}

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}
SAMPLE
list_functions "$tmp/sample.c" | cut -d ' ' -f 2- > "$tmp/found"
printf '%s\n' "private _lsobs_thing_open -" "callback opened_cb in" "static finish in" "count 6" > "$tmp/wanted"
diff "$tmp/found" "$tmp/wanted" > "$tmp/said"
report "functions that assert nothing are found" $?

headers=
sources=
for folder in $folders; do
  headers="$headers $(echo lsobs/"$folder"/*-private.h)"
  sources="$sources $(echo lsobs/"$folder"/*.c)"
done
# word splitting intended: these are lists of files
# shellcheck disable=SC2086
list_headers $headers > "$tmp/headers"
# shellcheck disable=SC2086
list_functions $sources > "$tmp/functions"
count=$(sed -n 's/^- count //p' "$tmp/functions")
echo "# $count functions; $(grep -c ' context$' "$tmp/headers") units of one context, $(grep -c ' any$' "$tmp/headers") of any thread, $(grep -c ' value$' "$tmp/headers") of values"
echo "only $count functions were found" > "$tmp/said"
[ "$count" -gt 500 ]; report "the sources are read" $?

sed -n 's/ -$/ does not say who may use it/p' "$tmp/headers" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "each private header says who may use it" $?

# The functions of a batch and of a transport itself are public, or do not need the context.
awk '
  FNR == NR { source = $1; sub(/-private\.h$/, ".c", source); class[source] = $2; next }
  $1 ~ /\/transport\// { next }
  $2 == "private" && class[$1] == "context" { print $1 ": " $3 " asserts no context" }
' "$tmp/headers" "$tmp/functions" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "what is used in one context asserts it" $?

awk '
  $2 == "callback" { print $1 ": " $3 " asserts no context, and does not say which thread calls it"; next }
  $4 == "in" { print $1 ": " $3 " is called in a context, and does not assert it" }
' "$tmp/functions" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "callbacks assert their contexts" $?
echo "1..$n"
