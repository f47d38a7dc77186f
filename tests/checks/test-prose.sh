#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What people read is short, has a beginning and an end, and is in plain words that are spelled right:
# README, the guides, the comments, the messages, the manual page and the words of ./dev.

max_words=899

# Sentences that a reader had to read twice, as regular expressions. Better ones say who does what.
riddles="need not know a run|travels alone|it was made for this|whoever waits|(an )?update does not tell it"
riddles="$riddles|so much of the account|the project is another one|nobody knows yet|log is not ours|it was refused so"
riddles="$riddles|not ours to|made to be forgotten|installs? first what|needs? and (is|are) not there"
riddles="$riddles|nothing of the environment|(these|those) are all (the )?places|what was noted|noted on (a|the) run"
riddles="$riddles|is pushed is popped|while nobody runs|but for what waits|on its way with that|trouble of the service"
riddles="$riddles|no trouble of|finds its start|(joins|join) its start|as far as (it|they|that) (is|are) (there|missing)"
riddles="$riddles|in a bad mood|is none of|at the most|all the same|has its say|let go of"

# What is false: a flush fails, and the end of a program waits.
untrue="nothing is raised because of|nothing waits for the queue when|never slows the caller"

# Former names of things inside lsobs. A reader of README and the guides knows the public names only.
old_names="lanes?|fans?|tickets?|intakes?|verdicts?|fates?|accused|guilty|dubious"

# Words that codespell takes for others: GObject Introspection, our names, shell, roff, methods of Python,
# and codes of an id.
real_words=gir,inout,bu,asend,upto,filetest,2st,quee
# These have words with mistakes on purpose.
with_mistakes="*/test-parents-python.py,*/test-doctor.c"
# These have translations.
not_english="*.metainfo.xml"

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# join_lines FILES: each paragraph or comment as a line FILE:LINE: TEXT, without the signs around it
join_lines () {
  awk '
    function put() {
      gsub(/<[^>]*>/, "", text); gsub(/[*`_]/, "", text); gsub(/[ \t]+/, " ", text)
      if (text != "" && text != " ") print file ":" start ": " text
      text = ""
    }
    FNR == 1 { put(); file = FILENAME; start = 1 }
    /^[ \t*#]*$/ { put(); next }
    {
      line = $0
      sub(/^[ \t]*(\/\*+|\*\/|\*|#+|\/\/)?[ \t]*/, "", line); sub(/"$/, "", line); sub(/^"/, "", line)
      if (text == "") start = FNR
      text = text " " line
    }
    END { put() }' "$@"
}

# find_phrases PHRASES: of lines as above, where each of them is, and the words around it
find_phrases () {
  awk -v phrases="$1" '
    {
      where = $1; text = tolower(substr($0, length($1) + 1))
      while (match(text, phrases)) {
        from = RSTART > 30 ? RSTART - 30 : 1
        print where " …" substr(text, from, RLENGTH + 60) "…"
        text = substr(text, RSTART + RLENGTH)
      }
    }'
}

# find_words WORDS: of lines as above, those with one of them as a whole word
find_words () {
  grep -iE "[^a-z_-]($1)([^a-z_-]|\$)"
}

# find_limp GUIDES: what is wrong with their beginnings and ends
find_limp () {
  for guide in "$@"; do
    awk '
      /<refsect1/ { n++; links = 0; body = "" }
      /<title>/ && n > seen { seen = n; title = $0; sub(/.*<title>/, "", title); sub(/<\/title>.*/, "", title); if (n == 1) first = title }
      { links += gsub(/<(link|ulink) /, "&"); if (n == 1) body = body $0; if (n == 1 && /<\/refsect1>/) intro = body }
      END {
        name = FILENAME; sub(/.*\//, "", name)
        gsub(/<[^>]*>/, " ", intro)
        words = split(intro, list, /[ \t]+/)
        if (first !~ /^What this (guide|page) is for$/) print name " begins with “" first "”, not with “What this guide is for”"
        if (words > 120) print name " needs " words " words to say what it is for"
        if (title != "Where to go next") print name " ends with “" title "”, not with “Where to go next”"
        else if (links < 2) print name " leads to " links " pages at its end"
      }' "$guide"
  done
}

# The searches are tried first.
cat > "$tmp/sample.c" << 'END'
/* A run is made to be
 * forgotten.
 *
 * Nothing is raised <b>because of</b> the service. */
int all_the_same; /* plain */
END
join_lines "$tmp/sample.c" | find_phrases "$riddles|$untrue" > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 2 ]; report "riddles are found" $?

cat > "$tmp/limp.xml" << 'END'
<refsect1 id="a"><title>Overview</title></refsect1>
<refsect1 id="b">
  <title>Where to go next</title>
  <link linkend="c">C</link>
</refsect1>
END
find_limp "$tmp/limp.xml" > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 2 ]; report "guides without a beginning or an end are found" $?

words=$(wc -w < README)
echo "README has $words words, more than $max_words" > "$tmp/said"
[ "$words" -le $max_words ]; report "README is short" $?

find_limp docs/reference/guide-*.xml > "$tmp/said"
[ ! -s "$tmp/said" ]; report "each guide says what it is for, and where to go next" $?

find README NEWS CONTRIBUTING SECURITY docs lsobs tools bindings examples bench fuzz tests dev dev.d configure.ac Makefile.am debian lsobs.spec.in \
  \( -name '.?*' -o -name corpus -o -name data-corpus -o -name images -o -name Makefile -o -name Makefile.in -o -name xml -o -name html -o -name __pycache__ -o -name usr -o -name test-prose.sh -o -name test-words.sh -o -name changelog \) -prune \
  -o -type f \( -name '*.[ch]' -o -name '*.h.in' -o -name '*.in' -o -name '*.py' -o -name '*.js' -o -name '*.vala' -o -name '*.xml' -o -name '*.md' \
  -o -name '*.sh' -o -name '*.am' -o -name '*.inc' -o -name '*.ac' -o -name '[A-Z]*' -o -name dev -o -name control -o -name '*.css' \) -print 2> "$tmp/said" \
  | sort > "$tmp/files"
files=$(wc -l < "$tmp/files")
echo "# $files files"
{
  [ "$files" -gt 400 ] || echo "only $files files were found"
  xargs cat < "$tmp/files" > "$tmp/all" || echo "a file cannot be read"
  # shellcheck disable=SC2046 # no name has a space
  join_lines $(grep -v '^tests/' "$tmp/files") | find_phrases "$riddles|$untrue"
} > "$tmp/said"
[ ! -s "$tmp/said" ]; report "what users read has no riddles" $?

echo "<para>A lane.</para>" > "$tmp/old.xml"
{
  join_lines "$tmp/old.xml" | find_words "$old_names" | grep -q . || echo "the search finds nothing"
  join_lines README NEWS docs/reference/guide-*.xml | find_words "$old_names"
} > "$tmp/said"
[ ! -s "$tmp/said" ]; report "README and the guides use the public names" $?

if ! command -v codespell > "$tmp/said" 2>&1; then
  skip "words are spelled right" "no codespell"
else
  # shellcheck disable=SC2046 # no name has a space
  codespell --ignore-words-list="$real_words" --skip="$with_mistakes,$not_english" $(cat "$tmp/files") > "$tmp/said" 2>&1
  spelled=$?
  echo "a recieved word" > "$tmp/wrong"
  ! codespell "$tmp/wrong" > "$tmp/wrong.said" 2>&1 || { echo "codespell finds nothing" >> "$tmp/said"; spelled=1; }
  [ "$spelled" = 0 ]; report "words are spelled right" $?
fi
echo "1..$n"
