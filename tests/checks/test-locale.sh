#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All that people read can be translated, and is. The library speaks each language, in
# the locale of a country where it is spoken, and sends the same there as everywhere.
# Needs gettext, and for the locales the sources of glibc's (Debian: locales; Fedora:
# glibc-locale-source); none has to be installed.
set -u
LC_ALL=C; export LC_ALL

top=$(cd "$G_TEST_SRCDIR/.." && pwd)
# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"

for tool in msgcat msgcmp msgfmt xgettext; do
  if ! command -v "$tool" > "$tmp/said"; then
    echo "1..0 # SKIP gettext's $tool is not here"
    exit 0
  fi
done

languages=$(sed 's/#.*//' "$top/po/LINGUAS")

# --- the sources

(cd "$top" && ls lsobs/*/*.[ch] tools/*.c tools/*/*.[ch]) > "$tmp/all"
{
  (cd "$top" && grep -lE '(^|[^A-Za-z0-9_])(N?_|g_dngettext) ?\(([^)]|$)' lsobs/*/*.[ch] tools/*.c tools/*/*.[ch])
  (cd "$top" && grep -lE "(^|[^A-Za-z0-9_.])(_|ngettext)\('" tools/page/*.js)
} > "$tmp/sources"
grep '^[^#]' "$top/po/POTFILES.in" > "$tmp/listed"
diff "$tmp/listed" "$tmp/sources" > "$tmp/said"
report "the sources with messages are those of POTFILES.in" $?

# none_of REGEX BUT: no call in a source is like the one, unless like the other
none_of () {
  while read -r file; do
    tr '\n' ' ' < "$top/$file" | grep -oE "$1" | grep -vE "$2" | sed "s,^,$file: ,"
  done < "$tmp/all" > "$tmp/said"
  [ ! -s "$tmp/said" ]
}

# xgettext ends a message at a macro that it does not know, and knows those of C only.
none_of '[^A-Za-z0-9_](N?_|g_dngettext) ?\(("([^"\\]|\\.)*"|[^")])*G_G[A-Z0-9]*_(FORMAT|MODIFIER)' '^$'
report "no message has a macro of GLib in it" $?

# What the log or an error says is for people, but for the log of debugging. Nobody is
# shown the two messages that are excepted first; the rest is for a shell, or has no words.
says='message|warning|info|print|printerr|task_return_new_error|prefix_error'
says="$says|set_error|set_error_literal|error_new|error_new_literal"
none_of "g_($says) \\([^()\"]*\"([^\"\\\\]|\\\\.)*\"" '"(%s|bad replacement|not UTF-8|(\\n| )*%s(/\?token=%s)?(\\n)+|  export [^"]*)"'
report "no message is left out" $?

# --- the translations

# word splitting intended: a list of options
# shellcheck disable=SC2046
xgettext -D "$top" -f "$tmp/listed" $(sed -n 's/^XGETTEXT_OPTIONS = //p' "$top/po/Makevars") \
  -o "$tmp/lsobs.pot" > "$tmp/said" 2>&1
report "the messages can be extracted" $?

# messages FILE: without comments and head
messages () {
  msgcat --no-location --no-wrap --sort-output "$1" | sed -n '/^msgid "./,$p' | grep '^msgid'
}

messages "$top/po/lsobs.pot" > "$tmp/old"
messages "$tmp/lsobs.pot" > "$tmp/new"
diff "$tmp/old" "$tmp/new" > "$tmp/said" || { echo '"make -C po update-po" updates it' >> "$tmp/said"; false; }
report "the template is current" $?

for language in $languages; do
  mkdir -p "$tmp/mo/$language/LC_MESSAGES"
  {
    msgfmt -c --statistics -o "$tmp/mo/$language/LC_MESSAGES/lsobs.mo" "$top/po/$language.po" &&
    msgcmp "$top/po/$language.po" "$tmp/lsobs.pot"
  } > "$tmp/said" 2>&1 && ! grep -E 'fuzzy|untranslated' "$tmp/said" > "$tmp/partial"
  report "$language is valid and complete" $?
done

# --- the library

LSOBS_TEST_TRANSLATIONS=$tmp/mo; export LSOBS_TEST_TRANSLATIONS
LOCPATH=$tmp/locales; export LOCPATH
mkdir "$LOCPATH"

# make_locale NAME CHARSET: FALSE with the reason in $tmp/said
make_locale () {
  [ -d "$LOCPATH/$1.$2" ] && return 0
  command -v localedef > "$tmp/said" 2>&1 || { echo "there is no localedef" > "$tmp/said"; return 1; }
  # warnings are about the source, not about what is made of it
  localedef -c -i "$1" -f "$2" "$LOCPATH/$1.$2" > "$tmp/said" 2>&1
  [ -f "$LOCPATH/$1.$2/LC_CTYPE" ]
}

# run_in LOCALE CHARSET LANGUAGE LANGUAGES PROGRAM NAME: LANGUAGE is the one to be heard,
# LANGUAGES what is asked for before that of the locale
run_in () {
  if ! make_locale "$1" "$2"; then
    skip "$6" "the locale $1 cannot be made: $(tail -n 1 "$tmp/said")"
    return
  fi
  (
    LC_ALL=$1.$2
    [ -z "$3" ] || { LSOBS_TEST_LANGUAGE=$3; export LSOBS_TEST_LANGUAGE; }
    [ -z "$4" ] || { LANGUAGE=$4; export LANGUAGE; }
    "$G_TEST_BUILDDIR/api/$5"
  ) > "$tmp/said" 2>&1
  report "$6" $?
}

# locale_of LANGUAGE: most are those of the country of that name
locale_of () {
  case $1 in
    *_*) echo "$1" ;;
    ja) echo ja_JP ;;
    *) echo "$1_$(echo "$1" | tr '[:lower:]' '[:upper:]')" ;;
  esac
}

LC_ALL=C LANGUAGE=de "$G_TEST_BUILDDIR/api/test-language" > "$tmp/said" 2>&1
report "the library speaks English in the locale C" $?
for language in $languages; do
  run_in "$(locale_of "$language")" UTF-8 "$language" "" test-language "the library speaks $language"
done
run_in de_DE UTF-8 fr fr:es test-language "the library speaks fr to who prefers that in Germany"
run_in de_DE ISO-8859-1 de "" test-language "the library speaks de where text is not in UTF-8"
run_in tr_TR UTF-8 "" "" test-language "the library speaks English where its language is not known"

# --- the service of the program lsobs

if [ -x "$G_TEST_BUILDDIR/tools/test-answer-language" ]; then
  for language in $languages; do
    run_in "$(locale_of "$language")" UTF-8 "$language" "" ../tools/test-answer-language \
      "the service answers in English to a user of $language"
  done
fi

# In Turkey numbers have a comma, and the capital of an "i" is another one. Without
# translations, as the tests compare with English.
for program in test-captures test-conformance test-distributed test-feedback test-run-payload test-usage; do
  run_in tr_TR UTF-8 "" C "$program" "$program in Turkey"
done
if make_locale tr_TR UTF-8; then
  LC_ALL=tr_TR.UTF-8 locale decimal_point > "$tmp/said" 2>&1 && [ "$(cat "$tmp/said")" = , ]
  report "numbers do have a comma there" $?
else
  skip "numbers do have a comma there" "$(tail -n 1 "$tmp/said")"
fi

echo "1..$n"
