#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is installed beside the program lsobs says what the program does: each command has a section in
# the man page with all of its options, the completion offers them, and the unit starts it.

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
program=$G_TEST_BUILDDIR/../tools/lsobs
page=$G_TEST_BUILDDIR/../tools/data/lsobs.1
unit=$G_TEST_BUILDDIR/../tools/data/lsobs.service
completion=$G_TEST_SRCDIR/../tools/data/bash-completion/lsobs
LC_ALL=C; export LC_ALL

# list_options: of the help of a command, lines such as "-p --port=" or "--name="
list_options () {
  sed -nE 's/^  (-[a-zA-Z]), (--[a-z-]+=?).*/\1 \2/p; s/^  (--[a-z-]+=?).*/\1/p' | sort
}

# list_page_options COMMAND: the same of its section in the man page
list_page_options () {
  awk -v name="$1" '
    /^\.S[SH] / { inside = $1 == ".SS" && $2 == name; next }
    inside && heading { print; heading = 0 }
    inside && $1 == ".TP" { heading = 1 }
  ' "$page" \
    | sed -E 's/\\f[A-Z]//g; s/\\-/-/g; s/^\.[BIR]+ //; s/ ", " / /; s/ =/=/; s/=.*/=/' | sort
}

"$program" --help > "$tmp/help" 2> "$tmp/said"
report "the program tells its commands" $?
"$program" --help | sed -nE 's/^  ([a-z][a-z-]*)  .*/\1/p' > "$tmp/commands"
echo "no commands were found" > "$tmp/said"
grep -qx serve "$tmp/commands"; report "the commands are read" $?

sed -n '/^\.SH COMMANDS/,/^\.SH EXIT/s/^\.SS //p' "$page" > "$tmp/sections"
diff "$tmp/commands" "$tmp/sections" > "$tmp/said"
report "the man page has a section for each command, in the order of the help" $?

while read -r command; do
  "$program" "$command" --help < /dev/null > "$tmp/help" 2>&1
  list_options < "$tmp/help" > "$tmp/wanted"
  list_page_options "$command" > "$tmp/found"
  # --help is told once for all
  grep -vx -- '-h --help' "$tmp/wanted" > "$tmp/own"
  [ -s "$tmp/own" ] && diff "$tmp/own" "$tmp/found" > "$tmp/said"
  report "the section of $command has its options" $?
done < "$tmp/commands"

# with -ww, groff reports what it does not know; a long path of the prefix cannot be broken
if command -v groff > /dev/null; then
  groff -man -Tutf8 -ww -Wbreak -z "$page" > "$tmp/said" 2>&1
  [ ! -s "$tmp/said" ]; report "the man page is well-formed" $?
else
  skip "the man page is well-formed" "groff is not here"
fi
if command -v appstreamcli > /dev/null; then
  appstreamcli validate --no-net --pedantic --no-color "$G_TEST_SRCDIR"/../tools/data/*.metainfo.xml > "$tmp/said" 2>&1
  report "what software centers say of the program is well-formed" $?
else
  skip "what software centers say of the program is well-formed" "appstreamcli is not here"
fi
grep -n '@[A-Za-z_]*@' "$page" "$unit" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "no variable of make is left" $?

# --- output that is lost

if [ -c /dev/full ]; then
  for words in --version --help "list --help"; do
    # word splitting intended
    # shellcheck disable=SC2086
    "$program" $words > /dev/full 2> "$tmp/said"
    [ $? = 1 ]; report "a full disk is an error of ${words%% *}" $?
  done
else
  skip "a full disk is an error" "there is no /dev/full"
fi

# --- the completion

if command -v bash > /dev/null; then
  # complete WORD...: what is offered for the last one
  cat > "$tmp/complete.bash" << 'END_OF_BASH'
compopt () { :; }
. "$1" || exit
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_lsobs "$1" "${@: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
END_OF_BASH
  complete () { bash "$tmp/complete.bash" "$completion" "$program" "$@" 2>&1; }

  { cat "$tmp/commands"; printf '%s\n' help --help --version; } | sort > "$tmp/wanted"
  complete '' | sort | diff "$tmp/wanted" - > "$tmp/said"
  report "the completion offers the commands" $?
  complete help '' | sort > "$tmp/found"
  sort "$tmp/commands" | diff - "$tmp/found" > "$tmp/said"
  report "the completion offers commands after help" $?
  while read -r command; do
    "$program" "$command" --help < /dev/null 2>&1 | list_options | sed 's/^-[a-zA-Z] //' | sort > "$tmp/wanted"
    complete "$command" -- < /dev/null | sort | diff "$tmp/wanted" - > "$tmp/said"
    report "the completion offers the options of $command" $?
  done < "$tmp/commands"

  mkdir "$tmp/files" && : > "$tmp/files/traces.db"
  for words in "--database $tmp/files/tr" "-d $tmp/files/tr" "--database = $tmp/files/tr"; do
    # word splitting intended
    # shellcheck disable=SC2086
    complete serve $words > "$tmp/said"
    [ "$(cat "$tmp/said")" = "$tmp/files/traces.db" ]
    report "the completion offers files after ${words% *}" $?
  done
  complete serve --port 1 > "$tmp/said"
  [ "$(cat "$tmp/said")" = "" ]; report "the completion offers no files for a number" $?
else
  skip "the completion" "bash is not here"
fi

# --- the unit

grep -q '^ExecStart=/.*/lsobs serve$' "$unit" 2> "$tmp/said"
report "the unit starts the service" $?
if command -v systemd-analyze > /dev/null; then
  # the program is not yet where the unit looks for it
  sed "s,^ExecStart=[^ ]*,ExecStart=/bin/true," "$unit" > "$tmp/lsobs-check.service"
  systemd-analyze --user --man=no verify "$tmp/lsobs-check.service" > "$tmp/said" 2>&1
  grep lsobs-check "$tmp/said" > "$tmp/lines"; mv "$tmp/lines" "$tmp/said"
  [ ! -s "$tmp/said" ]; report "systemd accepts the unit" $?
fi
echo "1..$n"
