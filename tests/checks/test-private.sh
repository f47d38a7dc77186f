#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A private function that another source file of lsobs/ does not use is static: nothing is there
# for tests alone.

# Exceptions, each with the test that calls it. Only the superuser can make the files of another
# user that lsobs must not trust.
exceptions="
_lsobs_profile_check_directory tests/unit/test-profile-command.c
_lsobs_profile_check_file tests/unit/test-profile-command.c
"

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# list_names FILES: lines of "defines" or "uses", FILE NAME, for each private name in the code; what
# a header declares is no use
list_names () {
  awk '
    FNR == 1 { in_comment = 0; declares = 0 }
    {
      line = ""
      rest = $0
      while (rest != "") {
        if (in_comment) {
          end = index(rest, "*/")
          if (end == 0) rest = ""
          else { rest = substr(rest, end + 2); in_comment = 0 }
        }
        else {
          start = index(rest, "/*")
          if (start == 0) { line = line rest; rest = "" }
          else { line = line substr(rest, 1, start - 1); rest = substr(rest, start + 2); in_comment = 1 }
        }
      }
    }
    # a definition, as the name begins its line
    match(line, /^_lsobs_[a-z0-9_]+ \(/) {
      print "defines", FILENAME, substr(line, 1, RLENGTH - 2)
      line = substr(line, RLENGTH)
    }
    # a declaration: all of it up to the first parenthesis
    FILENAME ~ /\.h$/ && line ~ /^[A-Za-z_].*[ *]_lsobs_[a-z0-9_]+ \(/ && line !~ /^ / {
      sub(/_lsobs_[a-z0-9_]+ \(/, "(", line)
    }
    {
      while (match(line, /(^|[^A-Za-z0-9_])_lsobs_[a-z0-9_]+/)) {
        name = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        sub(/^[^_]/, "", name)
        print "uses", FILENAME, name
      }
    }
  ' "$@"
}

# find_alone: of lines as above, the functions that no file but their own uses; the inline functions
# of a header may use each other
find_alone () {
  awk '
    $1 == "defines" { file[$3] = $2; next }
    { uses[$3] = uses[$3] " " $2 }
    END {
      for (name in file) {
        n = split(uses[name], users, " ")
        alone = 1
        for (i = 1; i <= n; i++) if (users[i] != file[name] || file[name] ~ /\.h$/) alone = 0
        if (alone) print file[name] ": " name
      }
    }
  ' "$1" | sort
}

# The search is tried first: it finds one of these functions, and no other.
mkdir "$tmp/sample"
cat > "$tmp/sample/lsobs-a.c" << 'SAMPLE'
void
_lsobs_a_open (A *self)
{
}

void
_lsobs_a_close (A *self)
{
  _lsobs_a_open (self);
}
SAMPLE
cat > "$tmp/sample/lsobs-a-private.h" << 'SAMPLE'
void _lsobs_a_open (A *self);
void _lsobs_a_close (A *self); /* see _lsobs_a_open() */
SAMPLE
cat > "$tmp/sample/lsobs-b.c" << 'SAMPLE'
/* calls
 * _lsobs_a_open() */
GFunc f = _lsobs_a_close;
SAMPLE
list_names "$tmp"/sample/* > "$tmp/names"
find_alone "$tmp/names" > "$tmp/said"
[ "$(cat "$tmp/said")" = "$tmp/sample/lsobs-a.c: _lsobs_a_open" ]; report "functions that no other file uses are found" $?

list_names lsobs/*/*.[ch] > "$tmp/names"
count=$(grep -c '^defines ' "$tmp/names")
echo "only $count private functions were found" > "$tmp/said"
[ "$count" -gt 400 ]; report "the sources are read" $?

echo "$exceptions" | awk 'NF > 0 { print $1 }' > "$tmp/exceptions"
find_alone "$tmp/names" > "$tmp/alone"
grep -vwFf "$tmp/exceptions" "$tmp/alone" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "private functions are for other files, or static" $?

echo "$exceptions" | while read -r name test; do
  [ -n "$name" ] || continue
  grep -qw "$name" "$tmp/alone" || echo "$name is used by another file, or gone: it is no exception"
  grep -qw "$name" "$test" || echo "$test does not use $name"
done > "$tmp/said"
[ ! -s "$tmp/said" ]; report "the exceptions are needed" $?
echo "1..$n"
