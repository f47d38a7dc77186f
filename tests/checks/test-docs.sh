#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The code in README, in the guides and in the comments of the reference compiles;
# what is in Python or JavaScript runs, untraced, and what is for a shell is such. What README and the guides refer
# to is there, and the index that Devhelp reads is well-formed.
set -u

srcdir=$G_TEST_SRCDIR/..
builddir=$G_TEST_BUILDDIR/..
# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"

# The three extractors write one file FILE-LINE.LANGUAGE for each piece of code.

extract_markdown () {
  awk -v stem="$tmp/code/${1##*/}" '
    /^```/ { if (inside) { inside = 0; close (out) }
             else if ($0 == "```js") {
               inside = 1; out = stem "-" NR ".fragment-js"; printf "" > out
             }
             else if ($0 == "```c" || $0 == "```python" || $0 == "```vala") {
               inside = 1; out = stem "-" NR "." substr ($0, 4); printf "" > out
             }
             next }
    inside { print > out; next }
    # what is set in is for a shell, if it is not JSON
    /^    [^ []/ && !set_in { set_in = 1; out = stem "-" NR ".sh" }
    set_in && /^    / { print substr ($0, 5) > out; next }
    set_in { set_in = 0; close (out) }' "$1"
}

extract_comments () {
  awk -v stem="$tmp/code/${1##*/}" '
    /\|\[<!-- language="C" -->/ { inside = 1; out = stem "-" NR ".c"; printf "" > out; next }
    inside && /\]\|/ { inside = 0; close (out) }
    inside { sub (/^ *\* ?/, ""); print > out }' "$1"
}

# Code is in a CDATA section, which begins and ends with the programlisting.
extract_docbook () {
  awk -v stem="$tmp/code/${1##*/}" '
    match ($0, /<programlisting language="[A-Za-z]+"><!\[CDATA\[/) {
      split ($0, part, "\"")
      inside = 1; out = stem "-" NR "." tolower (part[2])
      sub (/^.*<!\[CDATA\[/, "")
    }
    inside && sub (/\]\]><\/programlisting>.*/, "") { if ($0 != "") print > out; inside = 0; close (out); next }
    inside { print > out }' "$1"
}

check_c () {
  code=$1
  {
    if grep -q '^#include' "$code"; then
      cat "$code"
    elif grep -q '^static ' "$code"; then
      cat "$srcdir/docs/snippet-preamble.h"
      echo "#line 1 \"${code##*/}\""
      cat "$code"
    else
      cat "$srcdir/docs/snippet-preamble.h"
      echo 'void snippet (void);'
      echo 'void snippet (void) {'
      echo "#line 1 \"${code##*/}\""
      cat "$code"
      echo '}'
    fi
  } > "$tmp/snippet.c"
  # word splitting intended: these are lists of arguments
  # shellcheck disable=SC2086
  $CC -I"$srcdir" -I"$builddir" $LSOBS_CFLAGS -fsyntax-only -Wall -Werror -Wno-unused-function \
    "$tmp/snippet.c" > "$tmp/said" 2>&1
  report "${code##*/}" $?
}

check_vala () {
  if [ -z "$VALAC" ] || ! [ -f "$builddir/lsobs/lsobs.vapi" ]; then
    skip "${1##*/}" "no Vala"
    return
  fi
  "$VALAC" -C -d "$tmp" --vapidir "$builddir/lsobs" --girdir "$builddir/lsobs" --pkg lsobs "$1" \
    > "$tmp/said" 2>&1
  report "${1##*/}" $?
}

# run_untraced FILE INTERPRETER [NAME [OPTION]]: nothing of the environment turns tracing on
run_untraced () {
  if [ "$2" = no ] || [ -z "$2" ] || ! ls "$builddir"/lsobs/Lsobs-*.typelib > "$tmp/said" 2>&1; then
    skip "${3:-${1##*/}}" "no GObject Introspection for it"
    return
  fi
  # word splitting intended: the interpreter may have arguments
  # shellcheck disable=SC2086
  PYTHONDONTWRITEBYTECODE=1 $2 ${4:-} "$1" > "$tmp/said" 2>&1
  report "${3:-${1##*/}}" $?
}

# What imports something is a module.
run_javascript () {
  if grep -q '^import ' "$1"; then
    run_untraced "$1" "$GJS" "" -m
  else
    run_untraced "$1" "$GJS"
  fi
}

# A piece of JavaScript that awaits something, in a program that has what it takes.
run_js_fragment () {
  {
    cat <<'END'
imports.gi.versions.Lsobs = '1.0';
const {GLib, Lsobs} = imports.gi;
const loop = GLib.MainLoop.new(null, false);
const observer = Lsobs.Observer.new_with_transport(Lsobs.Config.new('key', 'docs'),
    Lsobs.MemoryTransport.new());
const askModel = () => Promise.resolve({text: '42'});
let problem = null;
(async () => {
END
    cat "$1"
    cat <<'END'
})().catch(e => (problem = e)).finally(() => loop.quit());
loop.run();
if (problem)
    throw problem;
END
  } > "$tmp/fragment.js"
  run_untraced "$tmp/fragment.js" "$GJS" "${1##*/}"
}

# Commands are read, not run: some of them install things, and dev.d/readme.sh runs
# what compiles. What they call of ../dev is there.
check_shell () {
  {
    sh -n "$1" || echo "this is no shell"
    grep -o '\./dev [a-z-]*' "$1" | while read -r _ command; do
      grep -q "^  $command\( \|$\)" "$srcdir/dev" || echo "./dev knows no $command"
    done
  } > "$tmp/said" 2>&1
  ! [ -s "$tmp/said" ]
  report "${1##*/}" $?
}

check_json () {
  if [ -z "$PYTHON" ] || [ "$PYTHON" = no ]; then
    skip "${1##*/}" "no Python"
    return
  fi
  $PYTHON -m json.tool "$1" > "$tmp/said" 2>&1
  report "${1##*/}" $?
}

# What is no project is a part of one.
check_meson () {
  if ! command -v meson > "$tmp/said" 2>&1; then
    skip "${1##*/}" "no Meson"
    return
  fi
  grep -q '^project(' "$1" || echo "project('snippet', 'c')" > "$tmp/meson.build"
  cat "$1" >> "$tmp/meson.build"
  meson introspect --ast "$tmp/meson.build" > "$tmp/said" 2>&1
  report "${1##*/}" $?
  rm -f "$tmp/meson.build"
}

mkdir "$tmp/code"
extract_markdown "$srcdir/README"
extract_markdown "$srcdir/CONTRIBUTING"
for file in "$srcdir"/lsobs/*.h "$srcdir"/lsobs/*/*.[ch]; do
  extract_comments "$file"
done
for file in "$srcdir"/docs/reference/guide-*.xml; do
  extract_docbook "$file"
  # an extractor that overlooks a listing must not pass for one that found none
  expected=$(grep -c '<programlisting' "$file")
  found=$(find "$tmp/code" -name "${file##*/}-*" | grep -c .)
  echo "$expected listings, but $found with a language and a CDATA section" > "$tmp/said"
  [ "$expected" = "$found" ]
  report "${file##*/}: every listing is tested" $?
done

sed -n 's/^!\[.*](\(.*\))$/\1/p' "$srcdir/README" | while read -r file; do
  [ -f "$srcdir/$file" ] || echo "$file is not there"
done > "$tmp/said"
! [ -s "$tmp/said" ]
report "the pictures of README" $?

# The figures in the guide and in README are those that were measured.
if command -v python3 > /dev/null; then
  PYTHONDONTWRITEBYTECODE=1 python3 "$srcdir/bench/docs.py" --check "$srcdir/bench/figures.json" "$srcdir" > "$tmp/said" 2>&1
  report "the figures of the guide and README" $?
fi

# What the page on internals names between backquotes is there: files and folders, functions,
# types and constants.
internals=$srcdir/docs/internals.md
sed -n 's/^!\[.*](\(.*\))$/docs\/\1/p' "$internals" > "$tmp/named"
grep -o '`[^`]*`' "$internals" | tr -d '`' | sort -u >> "$tmp/named"
cat "$srcdir"/lsobs/*.h "$srcdir"/lsobs/*/*-private.h | grep -o '[A-Za-z0-9_]*' | sort -u > "$tmp/words"
while read -r name; do
  case $name in
    */*) [ -e "$srcdir/$name" ] ;;
    lsobs_* | _lsobs_*) grep -qxF "${name% ()}" "$tmp/words" ;;
    Lsobs*:*) grep -q "^ *\* $name:\$" "$srcdir"/lsobs/*/*.c ;;
    Lsobs* | LSOBS_*) grep -qxF "$name" "$tmp/words" ;;
    *) true ;;
  esac || echo "$name is not there"
done < "$tmp/named" > "$tmp/said"
[ "$(grep -c 'lsobs' "$tmp/named")" -gt 50 ] || echo "docs/internals.md names next to nothing" >> "$tmp/said"
! [ -s "$tmp/said" ]
report "the files and functions that docs/internals.md names" $?

# a promise that names its test
grep -hoE '(tests/[a-z]*/test-|fuzz/fuzz-)[a-z0-9-]*\.[a-z]*' "$srcdir"/docs/reference/guide-*.xml | sort -u | while read -r file; do
  [ -f "$srcdir/$file" ] || echo "$file is not there"
done > "$tmp/said"
! [ -s "$tmp/said" ]
report "the tests that the guides name" $?

for code in "$tmp"/code/*; do
  case $code in
    *.c) check_c "$code" ;;
    *.vala) check_vala "$code" ;;
    *.fragment-js)
      if grep -q '^import ' "$code"; then
        run_javascript "$code"
      else
        run_js_fragment "$code"
      fi ;;
    *.sh) check_shell "$code" ;;
    *.python) run_untraced "$code" "$PYTHON" ;;
    *.json) check_json "$code" ;;
    *.meson) check_meson "$code" ;;
    *.javascript) run_javascript "$code" ;;
    *) echo "nothing is known of this language" > "$tmp/said"; report "${code##*/}" 1 ;;
  esac
done

# xsltproc says nothing of a link that leads nowhere
html=$builddir/docs/reference/html
if ! [ -f "$html/index.html" ]; then
  skip "the links of the guides" "the reference is not built yet"
else
  cat "$html"/*.html | grep -o '\(name\|id\)="[^"]*"' | sed 's/.*="//; s/"//' | sort -u > "$tmp/targets"
  grep -ho 'linkend="[^"]*"' "$srcdir"/docs/reference/*.xml | sed 's/.*="//; s/"//' | sort -u \
    | grep -vxFf "$tmp/targets" | sed 's/^/no target for /' > "$tmp/said"
  ! [ -s "$tmp/said" ]
  report "the links of the guides" $?
fi

index=$html/lsobs.devhelp2
if ! [ -f "$index" ]; then
  skip "the index for Devhelp" "the reference is not built yet"
elif ! command -v xmllint > "$tmp/said" 2>&1; then
  skip "the index for Devhelp" "no xmllint"
else
  {
    xmllint --nonet --noout "$index" 2>&1
    sed -n 's/.* link="\([^"]*\)".*/\1/p' "$index" | sed 's/&amp;/\&/g' | sort -u | while IFS='#' read -r page target; do
      if ! [ -f "$html/$page" ]; then
        echo "$page is not there"
      elif [ -n "$target" ] && ! grep -qxF "$target" "$tmp/targets"; then
        echo "no target for $page#$target"
      fi
    done
  } > "$tmp/said"
  ! [ -s "$tmp/said" ]
  report "the index for Devhelp" $?
fi

echo "1..$n"
