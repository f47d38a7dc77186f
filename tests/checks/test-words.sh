#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The sources call each thing by one name, and comments explain it in plain words. The notes for
# translators and the messages are not checked; the comments of public symbols are checked for
# former names only. Of the program in tools/, the comments are checked for plain words only: names of
# the library mean other things there.

# Phrases that leave open who does what.
riddles="nobody|whoever|is none of|there is none|at the most|all the same|has its say|let go of"
riddles="$riddles|tells of|what was noted|not ours to"

# Former names of a destination, a pipeline, the dispatcher, a flush waiter, the import of
# events, the delivery policy, annotations and what was done at the end of a run or a process.
old_names="lanes?|pipes?|fans?|tickets?|intakes?|verdicts?|fates?|notes|noted"
old_names="$old_names|hurry|hurries|hurried|settle|settles|settled|settling"

# Former names that are plain words in a comment.
old_identifiers="places?|flows?"

# Former words of private code. Public symbols and their comments may have them: those of a lookup
# and its answer, a failed trace, a delay, and the search for a bad record. As parts of a name:
old_private="questions?|repl(y|ies|ied)|dump(s|ed|ing)?|defer(s|red|ral)?|dubious"
old_private="$old_private|accus(e|es|ed)|suspects?|suspected|suspicion|strikes?|struck|pardon(s|ed)?"
old_private="$old_private|punish(es|ed)?|guilty|blam(e|es|ed)|judg(e|es|ed)|forgiv(e|es|en)"
# As several parts: an object of the parent process, pending feedback, what waits for a create, an
# upload, a pipeline, the watch of connections, and what the pipeline asks of a transport.
old_pairs="lost_requests?|feedback_gate|at_gate|blocked_(batches|records|bytes)|(take|evict)_blocked"
old_pairs="$old_pairs|(run|dump|table|dispatcher|attempts|writer)_(is|are)_foreign|refuse_foreign"
old_pairs="$old_pairs|foreign_(run|object|id|baggage)s?|dup_foreign"
old_pairs="$old_pairs|lsobs_request|lsobs_delivery_(new|free|peek|take|dup)|feedback_way|find_way"
old_pairs="$old_pairs|lsobs_liveness|(set|peek)_internals|retry_plan"
public_names="LSOBS_(COUNTER_DUMPED|ERROR_(BLOCKED|FOREIGN))"

# A public name that stays, and the sources that mean one of the system by "a pipe".
public_name=LSOBS_COUNTER_DROPPED_NOTES
real_pipes="lsobs/(core/lsobs-file|config/lsobs-command)\.c"

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# split_source FILES: lines of FILE:LINE: KIND TEXT. The kind is "comment" or, for a public
# symbol, "doc", with the whole comment in one line; or "name", with an identifier.
split_source () {
  awk '
    function put_comment(    kind) {
      gsub(/[ \t]+/, " ", text)
      kind = "comment"
      if (is_doc && text ~ /^[ *]*(SECTION:|lsobs_|Lsobs|LSOBS_)[A-Za-z0-9_:-]*:?( |$)/) kind = "doc"
      if (text !~ /^ ?TRANSLATORS/) print file ":" start ": " kind " " text
      text = ""
    }
    function put_names(code,    name) {
      while (match(code, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        print file ":" FNR ": name " name
      }
    }
    FNR == 1 { file = FILENAME; inside = 0; text = "" }
    {
      rest = $0; code = ""
      if (!inside) sub(/^[ \t]*#[ \t]*include[ \t]*["<][^">]*[">]/, "", rest)
      while (rest != "") {
        if (inside) {
          end = index(rest, "*/")
          if (end == 0) { sub(/^ *\*/, "", rest); text = text " " rest; rest = ""; continue }
          sub(/^ *\*( |$)/, " ", rest)
          end = index(rest, "*/")
          text = text " " substr(rest, 1, end - 1)
          rest = substr(rest, end + 2); inside = 0; put_comment()
        }
        else if (match(rest, /^"([^"\\]|\\.)*"/) || match(rest, /^\047([^\047\\]|\\.)*\047/)) {
          rest = substr(rest, RLENGTH + 1); code = code " "
        }
        else if (substr(rest, 1, 2) == "/*") {
          inside = 1; start = FNR; is_doc = rest ~ /^\/\*\*([^*\/]|$)/
          rest = substr(rest, is_doc ? 4 : 3)
        }
        else if (substr(rest, 1, 2) == "//") {
          start = FNR; is_doc = 0; text = " " substr(rest, 3); rest = ""; put_comment()
        }
        else {
          if (!match(rest, /^[^"\047\/]+/)) RLENGTH = 1
          code = code substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1)
        }
      }
      put_names(code)
    }
  ' "$@"
}

# find_old: of lines as above, those with a former name. Names and words consist of parts, as
# in LsobsFlushWaiter, flush_waiter, FLUSH_WAITER, HTTPWaiter and waiter2. What a name or a file
# is called is reported once for each file.
find_old () {
  sed -E "p
          \!^$real_pipes:!s/([^A-Za-z])([Aa] pipe|pipe2)([^A-Za-z0-9]|\$)/\1 \3/g
          s/^[^ ]* [^ ]* //; s/(^|[^A-Za-z0-9_])$public_name([^A-Za-z0-9_]|\$)/\1 \2/g
          s/[^A-Za-z]+/_/g; s/([a-z])([A-Z])/\1_\2/g; s/([A-Z])([A-Z][a-z])/\1_\2/g" \
    | awk -v old="^($old_names)\$" -v old_identifier="^($old_identifiers)\$" '
        NR % 2 { line = $0; where = file = $1; sub(/:.*/, "", file); kind = $2; name = $3; next }
        {
          n = split(tolower($0), parts, "_")
          for (i = 1; i <= n; i++) {
            if (parts[i] !~ old && (kind == "comment" || kind == "doc" || parts[i] !~ old_identifier)) continue
            if (kind == "comment" || kind == "doc") print where " " kind " with: " parts[i]
            else if (!((file, name) in seen)) { seen[file, name]; print line }
            break
          }
        }'
}

# find_old_private: of lines as above, those with a former word of private code.
find_old_private () {
  grep -E ': (comment|name|file) ' \
    | sed -E "p
          s/^[^ ]* [^ ]* //; s/(^|[^A-Za-z0-9_])$public_names([^A-Za-z0-9_]|\$)/\1 \3/g
          s/[^A-Za-z]+/_/g; s/([a-z])([A-Z])/\1_\2/g; s/([A-Z])([A-Z][a-z])/\1_\2/g" \
    | awk -v old="_($old_private|$old_pairs)_" '
        NR % 2 { line = $0; next }
        match("_" tolower($0) "_", old) && !(line in seen) { seen[line]; print line }'
}

# The search is tried first: it finds seven of these words, and no other.
cat > "$tmp/sample.c" << 'END'
int HTTPLanes, LANEIndex, lane2, get_place; /* the pipe */
// for LsobsFan
/**
 * lsobs_run_new:
 *
 * Counts the fate.
 */
int replace, pan, LSOBS_COUNTER_DROPPED_NOTES; /* in this place */
const char *text = "lane", c = '"'; /* TRANSLATORS: a lane */
END
split_source "$tmp/sample.c" | find_old > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 7 ]; report "former names are found" $?

cat > "$tmp/sample.c" << 'END'
int LsobsReply, n_strikes, feedback_gate, self_blocked_records, node_table_is_foreign; /* a lost request */
int _lsobs_request_free, LsobsFeedbackWay, _lsobs_delivery_policy_for, set_request_timeout;
/* It is to blame. */
/**
 * lsobs_run_new:
 *
 * Judges the question.
 */
int LSOBS_COUNTER_DUMPED, is_foreign, replace, blocked, LSOBS_ERROR_FOREIGN; /* gate; a foreign page */
const char *text = "reply";
END
split_source "$tmp/sample.c" | find_old_private > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 9 ]; report "former words of private code are found" $?

split_source lsobs/*.h lsobs/*.h.in lsobs/*/*.[ch] > "$tmp/words"
comments=$(grep -c ': comment ' "$tmp/words")
docs=$(grep -c ': doc ' "$tmp/words")
names=$(grep -c ': name ' "$tmp/words")
echo "# $comments comments, $docs comments of public symbols, $names names"
echo "only $comments comments, $docs of public symbols and $names names were found" > "$tmp/said"
[ "$comments" -gt 500 ] && [ "$docs" -gt 300 ] && [ "$names" -gt 10000 ]; report "the sources are read" $?

grep ': comment ' "$tmp/words" | grep -wiE "$riddles" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "comments are plain" $?

split_source tools/*.c tools/*/*.[ch] > "$tmp/tools"
comments=$(grep -c ': comment ' "$tmp/tools")
echo "# $comments comments in tools/"
{
  [ "$comments" -gt 300 ] || echo "only $comments comments were found in tools/"
  grep ': comment ' "$tmp/tools" | grep -wiE "$riddles"
} > "$tmp/said"
[ ! -s "$tmp/said" ]; report "comments of the program are plain" $?

grep ': name ' "$tmp/words" | find_old > "$tmp/said"
[ ! -s "$tmp/said" ]; report "names are the present ones" $?

grep -E ': (comment|doc) ' "$tmp/words" | find_old > "$tmp/said"
[ ! -s "$tmp/said" ]; report "comments use the present names" $?

grep -v '^lsobs/[^/]*:' "$tmp/words" | find_old_private > "$tmp/said"
[ ! -s "$tmp/said" ]; report "private code uses the present words" $?

find lsobs -name '.*' -prune -o \( -name '*.[ch]' -o -name '*.h.in' \) -print \
  | sed 's!\(.*/\)\(.*\)!\1\2: file \2!' > "$tmp/files"
{ find_old; find_old_private < "$tmp/files"; } < "$tmp/files" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "files have the present names" $?
echo "1..$n"
