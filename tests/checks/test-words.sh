#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The sources call each thing by one name, and comments explain it in plain words. Not checked
# are the comments of public symbols, the notes for translators and the messages.

# Phrases that leave open who does what.
riddles="nobody|whoever|is none of|at the most|all the same|has its say|let go of|tells of"

# Former names of a destination, a delivery, the dispatcher, a flush waiter, the import of
# events and the delivery policy.
old_names="lanes?|pipes?|fans?|tickets?|intakes?|verdicts?|fates?"

top=$G_TEST_SRCDIR/..
# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"

# split_source: lines of FILE:LINE: KIND TEXT. The kind is "comment", with the whole comment in
# one line, or "name", with an identifier.
split_source () {
  awk '
    function put_comment() {
      gsub(/[ \t]+/, " ", text)
      if (!is_doc && text !~ /^ ?TRANSLATORS/) print file ":" start ": comment" text
      text = ""
    }
    function put_names(code,    name) {
      while (match(code, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        print file ":" FNR ": name " name
      }
    }
    FNR == 1 { file = substr(FILENAME, length(top) + 2); inside = 0 }
    /^#include/ { next }
    {
      rest = $0; code = ""
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
          inside = 1; start = FNR; is_doc = substr(rest, 1, 3) == "/**"
          rest = substr(rest, is_doc ? 4 : 3)
        }
        else { code = code substr(rest, 1, 1); rest = substr(rest, 2) }
      }
      put_names(code)
    }
  ' top="$top" "$top"/lsobs/*/*.[ch]
}

split_source > "$tmp/words"
comments=$(grep -c ': comment ' "$tmp/words")
names=$(grep -c ': name ' "$tmp/words")
echo "# $comments comments, $names names"
echo "only $comments comments and $names names were found" > "$tmp/said"
[ "$comments" -gt 500 ] && [ "$names" -gt 10000 ]; report "the sources are read" $?

grep ': comment ' "$tmp/words" | grep -wiE "$riddles" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "comments are plain" $?

# A name consists of words, as in LsobsFlushWaiter, flush_waiter and FLUSH_WAITER. Each name is
# reported once for each file.
sed -nE 's/^([^ ]*) name (.*)/\1 \2 \2/p' "$tmp/words" \
  | sed -E ':again; s/([^ ]* [^ ]* .*[a-z0-9])([A-Z])/\1_\2/; t again' \
  | awk -v old="^($old_names)$" '{
      file = $1; sub(/:.*/, "", file)
      n = split(tolower($3), words, "_")
      for (i = 1; i <= n; i++)
        if (words[i] ~ old && !((file, $2) in seen)) { seen[file, $2]; print $1 " " $2 }
    }' > "$tmp/said"
[ ! -s "$tmp/said" ]; report "names are the present ones" $?
echo "1..$n"
