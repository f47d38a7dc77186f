#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Private types and files are called by words that a reader can look up. The last word of a name
# says what the thing is: it is in the table of words in docs/internals.md, in the public headers,
# or in one of these lists, which are sorted.

# GLib, GObject, GIO and libsoup
glib="action bytes class command compressor data double entry environment file hook id index init"
glib="$glib int64 item list loader lock log member name node option pattern private property proxy"
glib="$glib range result scan signal stream substring text value wakeup watch word writer"
# JSON and JSON-GLib
json="document field generator merge reader"
# HTTP, MIME and TLS
http="address body bundle part service url"
# LangSmith, LangGraph and OpenTelemetry
tracing="capture end propagation replica rule start"
# C, operating systems and compilers
systems="buffer clock descriptors fork privilege rank sanitizer secret stop trim"
# The same, SQL, and parsers: of the program in tools/, in addition
tools="columns compiler cursor flags parser scanner sql thread"

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# list_types FILES: lines of FILE: NAME, of what the files define with typedef, and of structures,
# unions and enumerations with a name alone.
list_types () {
  awk '
    function put(name) { if (!((FILENAME, name) in seen)) { seen[FILENAME, name]; print FILENAME ": " name } }
    function end_typedef(    name) {
      if (match(text, /\( *\* *[A-Za-z0-9_]+ *\)/)) name = substr(text, RSTART, RLENGTH)
      else { name = text; sub(/(\[[^]]*\]|[ \t;])+$/, "", name); sub(/.*[^A-Za-z0-9_]/, "", name) }
      gsub(/[^A-Za-z0-9_]/, "", name)
      if (name != "") put(name)
      text = ""; within = 0
    }
    FNR == 1 { inside = within = depth = 0; text = "" }
    {
      rest = $0; code = ""
      while (rest != "") {
        if (inside) {
          end = index(rest, "*/")
          if (end == 0) break
          rest = substr(rest, end + 2); inside = 0
        }
        begin = index(rest, "/*")
        if (begin == 0) { code = code " " rest; break }
        code = code " " substr(rest, 1, begin - 1); rest = substr(rest, begin + 2); inside = 1
      }
      if (!within && code ~ /^ *typedef[ \t]/) { within = 1; depth = 0; text = "" }
      else if (!within && code ~ /^ *(struct|union|enum)[ \t]+[A-Za-z][A-Za-z0-9_]* *\{? *$/) {
        name = code; sub(/^ *(struct|union|enum)[ \t]+/, "", name); sub(/[ {]*$/, "", name); put(name)
      }
      if (!within) next
      for (i = 1; i <= length(code); i++) {
        c = substr(code, i, 1)
        if (c == "{") depth++
        else if (c == "}") depth--
        else if (c == ";" && depth == 0) { end_typedef(); break }
        else if (depth == 0) text = text c
      }
      if (within) text = text " "
    }
  ' "$@"
}

# list_files FILES: lines of FILE: NAME, the name as of a type: LsobsThing for lsobs-thing.c
list_files () {
  printf '%s\n' "$@" | awk '
    {
      name = ""
      thing = $0; sub(/.*\//, "", thing); sub(/(-private)?\..*/, "", thing)
      n = split(thing, words, "-")
      for (i = 1; i <= n; i++) name = name toupper(substr(words[i], 1, 1)) substr(words[i], 2)
      print $0 ": " name
    }'
}

# list_words: of lines as above, lines of FILE: NAME WORD, with the last word of the name
list_words () {
  sed -E 'h; s/^[^ ]* //; s/^_?Lsobs([A-Z])/\1/
          s/([a-z0-9])([A-Z])/\1_\2/g; s/([A-Z])([A-Z][a-z])/\1_\2/g; s/^.*_//
          y/ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/; H; x; s/\n/ /'
}

# find_unknown KNOWN: of lines as above, those with a word, or a type, that is not in the file KNOWN.
# A word may be a plural.
find_unknown () {
  awk -v known="$1" '
    BEGIN { while ((getline word < known) > 0) is_known[word] }
    {
      singular = $3; sub(/s$/, "", singular)
      if (!($2 in is_known || $3 in is_known || singular in is_known || ($3 "s") in is_known))
        print $1 " " $2 ": the glossary of docs/internals.md does not have \"" $3 "\""
    }'
}

# The table of words: the last word of each term in its first column, and the types that its second
# column names.
sed -n '/^## Words$/,/^##* \(Threads\|Words of the program\)/p' docs/internals.md | grep '^| ' | sed 1,2d > "$tmp/table"
{
  cut -d '|' -f 2 "$tmp/table" | tr ',' '\n' | sed -E 's/ *$//; s/.* //; /^$/d'
  # shellcheck disable=SC2016
  grep -o '`Lsobs[A-Za-z]*`' "$tmp/table" | tr -d '`'
} | sort -u > "$tmp/glossary"
echo "$(wc -l < "$tmp/table") rows" > "$tmp/said"
[ "$(wc -l < "$tmp/table")" -le 30 ] && [ "$(wc -l < "$tmp/glossary")" -gt 50 ]
report "the glossary has at most 30 rows" $?

{ list_types lsobs/*.h; list_files lsobs/*.h lsobs/*.h.in; } | list_words | cut -d ' ' -f 3 | sort -u > "$tmp/public"
for word in $glib $json $http $tracing $systems; do echo "$word"; done > "$tmp/standard"
cat "$tmp/glossary" "$tmp/public" "$tmp/standard" > "$tmp/known"

# The search is tried first: it finds five of these names, and no other.
cat > "$tmp/sample.c" << 'END'
typedef struct _LsobsQueueGizmo LsobsQueueGizmo;
typedef enum { GIZMO_A, /* ; typedef int Hidden; */
  GIZMO_B } KeyWidget;
typedef void (*GizmoDoohickey) (struct
                                state *a);
struct gadget
{
  struct { int a; } b;
};
typedef struct
{
  struct { int c; } d;
} LsobsGadgetGrommet;
typedef struct { int a; } LsobsQueue;
typedef void (*GadgetFunc) (int);
typedef const char *GadgetNames[2];
END
list_types "$tmp/sample.c" | list_words | find_unknown "$tmp/known" > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 5 ]; report "types with an unknown word are found" $?

list_types lsobs/*/*.[ch] | list_words > "$tmp/types"
echo "# $(wc -l < "$tmp/types") private types"
echo "only $(wc -l < "$tmp/types") types were found" > "$tmp/said"
[ "$(wc -l < "$tmp/types")" -gt 150 ]; report "the types are read" $?

find_unknown "$tmp/known" < "$tmp/types" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "private types have words of the glossary, or standard ones" $?

list_files lsobs/*/*.[ch] | list_words > "$tmp/files"
find_unknown "$tmp/known" < "$tmp/files" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "so have files" $?

# The store and the service of the program: their words are in a table of their own.
sed -n '/^### Words of the program$/,/^## Threads/p' docs/internals.md | grep '^| ' | sed 1,2d > "$tmp/table"
{
  cut -d '|' -f 2 "$tmp/table" | tr ',' '\n' | sed -E 's/ *$//; s/.* //; /^$/d'
  # shellcheck disable=SC2016
  grep -o '`[A-Z][A-Za-z]*`' "$tmp/table" | tr -d '`' | tr '[:upper:]' '[:lower:]'
  for word in $tools; do echo "$word"; done
} | sort -u | cat - "$tmp/known" > "$tmp/known-of-tools"
list_types tools/store/*.[ch] tools/service/*.[ch] | list_words > "$tmp/types-of-tools"
{
  [ "$(wc -l < "$tmp/types-of-tools")" -gt 30 ] || echo "only $(wc -l < "$tmp/types-of-tools") types were found in tools/"
  find_unknown "$tmp/known-of-tools" < "$tmp/types-of-tools"
} > "$tmp/said"
[ ! -s "$tmp/said" ]; report "types of the program have words of its table, or standard ones" $?

for word in $tools; do
  cut -d ' ' -f 3 "$tmp/types-of-tools" | sed 'p; s/s$//' | grep -qx "$word" || echo "no name of tools/ needs \"$word\""
  ! grep -qx "$word" "$tmp/known" || echo "\"$word\" is known anyway"
done > "$tmp/said"
[ ! -s "$tmp/said" ]; report "the list of its words is no longer than needed" $?

for list in "$glib" "$json" "$http" "$tracing" "$systems"; do
  for word in $list; do echo "$word"; done > "$tmp/list"
  LC_ALL=C sort -uc "$tmp/list" 2>&1
done > "$tmp/said"
cut -d ' ' -f 3 "$tmp/types" "$tmp/files" | sed 'p; s/s$//' | sort -u > "$tmp/used"
while read -r word; do
  grep -qx "$word" "$tmp/used" || echo "no name needs \"$word\""
  ! grep -qx "$word" "$tmp/glossary" "$tmp/public" || echo "\"$word\" is in the glossary or public"
done < "$tmp/standard" >> "$tmp/said"
[ ! -s "$tmp/said" ]; report "the lists of standard words are sorted, and no longer than needed" $?
echo "1..$n"
