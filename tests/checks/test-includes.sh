#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The folders of lsobs/ depend only on those that come before them in this list, and no unit
# (a pair of .c and .h files) depends on itself, directly or through others.
folders="core text config model transport http pipeline api"

top=$G_TEST_SRCDIR/..
# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"

# list_includes: lines of FOLDER UNIT FOLDER UNIT FILE, of the including unit first. A public
# header belongs to the folder of its source.
list_includes () {
  for folder in $folders; do
    for file in "$top/lsobs/$folder"/*.[ch]; do
      printf '%s %s\n' "$(basename "$file" | sed 's/\.[ch]$//; s/-private$//')" "$folder"
    done
  done | sort -u > "$tmp/units"
  for file in "$top"/lsobs/*.h "$top"/lsobs/*/*.[ch]; do
    unit=$(basename "$file" | sed 's/\.[ch]$//; s/-private$//')
    sed -nE 's!^# *include [<"]lsobs/([a-z]+/)?([a-z0-9-]+)\.h[>"].*!\2!p' "$file" | sed 's/-private$//' \
      | while read -r other; do
        echo "$unit $other ${file#"$top/"}"
      done
  done | awk -v units="$tmp/units" '
    BEGIN { while ((getline line < units) > 0) { split(line, f, " "); folder[f[1]] = f[2] } }
    $1 != $2 && $1 in folder && $2 in folder { print folder[$1], $1, folder[$2], $2, $3 }
  ' | sort -u
}

list_includes > "$tmp/includes"

ls "$top/lsobs" | while read -r name; do
  [ -d "$top/lsobs/$name" ] || continue
  case " $folders " in
    *" $name "* | *" .libs "* | *" .deps "*) ;;
    *) ls "$top/lsobs/$name"/*.[ch] > /dev/null 2>&1 && echo "lsobs/$name is not in the list of folders" ;;
  esac
done > "$tmp/said"
[ ! -s "$tmp/said" ]; report "every folder is in the list" $?

awk -v folders="$folders" '
  BEGIN { n = split(folders, names, " "); for (i = 1; i <= n; i++) floor[names[i]] = i }
  floor[$3] > floor[$1] { print $5 ": includes " $4 " of " $3 "/, which is above " $1 "/" }
' "$tmp/includes" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "no include goes up" $?

awk '{ print $2, $4 }' "$tmp/includes" | sort -u | tsort > "$tmp/order" 2> "$tmp/said"
[ ! -s "$tmp/said" ]; report "no include goes round" $?

echo "# $(wc -l < "$tmp/units") units, $(wc -l < "$tmp/includes") includes"
awk '{ if ($1 != $3) n[$1 " -> " $3]++ } END { for (k in n) print "# " k ": " n[k] }' "$tmp/includes" | sort
echo "1..$n"
