#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The folders of lsobs/ depend only on those that come before them in this list, and no unit
# (a pair of .c and .h files) depends on itself, directly or through others.
folders="core text config model call transport spool http pipeline api"

# The same of the program, whose sources are in tools/ (and tools/lsobs.c is above them); and the folders
# of lsobs/ whose private headers it uses.
tools_folders="store service terminal doctor transfer commands"
tools_uses="core text"

# Public headers that have no source of their name, with the folder that each belongs to. Every
# other public header belongs to the folder of its source.
header_only="core/lsobs-flush-stats core/lsobs-version-macros"

# How many units there are at least: with fewer, the sources were not found.
min_units=100

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
cd "$G_TEST_SRCDIR/.." || exit 1

# list_units: lines of UNIT FOLDER FILE. The folder is "-" for a file that is in none of the list;
# it is "+" for a public header.
list_units () {
  for header in $header_only; do
    echo "${header#*/} ${header%/*} header_only"
  done
  awk -v folders="$folders" '
    BEGIN { n = split(folders, names, " "); for (i = 1; i <= n; i++) known[names[i]] }
    {
      n = split($1, parts, "/"); unit = parts[n]; folder = "-"
      sub(/\.(c|h|h\.in)$/, "", unit)
      if (n == 2 && unit != "lsobs" && $1 ~ /\.h(\.in)?$/ && unit !~ /-private$/) folder = "+"
      if (n == 3 && parts[2] in known) folder = parts[2]
      sub(/-private$/, "", unit)
      print unit, folder, $1
    }
  ' "$tmp/files"
}

# list_includes: lines of FILE:LINE UNIT WHAT, where WHAT is what follows #include. Headers of
# other libraries, in <>, are left out.
list_includes () {
  # shellcheck disable=SC2016
  xargs awk '
    FNR == 1 { n = split(FILENAME, parts, "/"); unit = parts[n]; sub(/(-private)?\.(c|h|h\.in)$/, "", unit) }
    { gsub(/\/\*[^*]*\*\//, " ") }
    /^[ \t]*#[ \t]*(include|import)/ {
      sub(/^[ \t]*#[ \t]*(include_next|include|import)[ \t]*/, ""); sub(/[ \t\r]+$/, "")
      if ($0 == "\"config.h\"" || ($0 ~ /^<[^<>]*>$/ && $0 !~ /lsobs/)) next
      print FILENAME ":" FNR, unit, $0
    }
  ' < "$tmp/files"
}

find lsobs -name '.*' -prune -o \( -name '*.[ch]' -o -name '*.h.in' \) -print | sort > "$tmp/files"
list_units > "$tmp/all"
awk '$2 != "-" && $2 != "+" && !(($1, $2) in seen) { seen[$1, $2]; print $1, $2 }' "$tmp/all" > "$tmp/units"
list_includes > "$tmp/raw"

units=$(awk '{ print $1 }' "$tmp/units" | sort -u | wc -l)
{
  [ "$units" -ge "$min_units" ] || echo "only $units units were found"
  for folder in $folders; do
    grep -q "^lsobs/$folder/" "$tmp/files" || echo "lsobs/$folder has no sources"
  done
  for header in $header_only; do
    [ -f "lsobs/${header#*/}.h" ] || echo "lsobs/${header#*/}.h is in the list and is not there"
  done
} > "$tmp/said"
[ ! -s "$tmp/said" ]; report "the sources are read" $?

awk '
  FNR == NR { folder[$1] = folder[$1] " " $2; next }
  $3 == "lsobs/lsobs.h" || $2 == "header_only" { next }
  $2 == "-" { print $3 ": is in no folder of the list" }
  $2 == "+" && !($1 in folder) { print $3 ": no folder has a source of this name" }
  $2 != "-" && $2 != "+" && $3 ~ /\.h$/ && $3 !~ /-private\.h$/ { print $3 ": is not called -private.h" }
  $2 != "-" && $2 != "+" && split(folder[$1], f, " ") > 1 { print $3 ": the unit is in several folders:" folder[$1] }
' "$tmp/units" "$tmp/all" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "every unit is in one folder of the list" $?

# Only includes of this form are part of the graph; every other is reported here.
: > "$tmp/includes"
awk -v includes="$tmp/includes" '
  FILENAME ~ /\/units$/ { folder[$1] = $2; next }
  FILENAME ~ /\/files$/ { name = $1; sub(/\.in$/, "", name); exists[name]; next }
  {
    where = $1; file = $1; sub(/:[0-9]*$/, "", file); unit = $2; what = $0; sub(/^[^ ]* [^ ]* /, "", what)
    if (what !~ /^"lsobs\/([a-z]+\/)?[a-z0-9-]+\.h"$/ && what !~ /^<lsobs\/([a-z]+\/)?[a-z0-9-]+\.h>$/) {
      print where ": " what " is not of the form \"lsobs/FOLDER/NAME.h\" or \"lsobs/NAME.h\""
      next
    }
    path = substr(what, 2, length(what) - 2)
    if (!(path in exists)) { print where ": there is no " path; next }
    n = split(path, parts, "/"); other = parts[n]; sub(/(-private)?\.h$/, "", other)
    if (path == "lsobs/lsobs.h") { print where ": includes the header for programs, " path; next }
    if (file == "lsobs/lsobs.h") next
    if (!(other in folder)) { print where ": " path " belongs to no folder"; next }
    if (unit in folder && unit != other) print folder[unit], unit, folder[other], other, where > includes
  }
' "$tmp/units" "$tmp/files" "$tmp/raw" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "every include is read" $?

awk -v folders="$folders" '
  BEGIN { n = split(folders, names, " "); for (i = 1; i <= n; i++) height[names[i]] = i }
  height[$3] > height[$1] { print $5 ": includes " $4 " of " $3 "/, which is above " $1 "/" }
' "$tmp/includes" > "$tmp/said"
[ ! -s "$tmp/said" ]; report "no include goes up" $?

# measure [FOLDER]: the number of units on the longest path of includes, and then the number of
# units in cycles (or between two cycles), with their includes. Of one folder, or of all.
measure () {
  awk -v only="${1:-}" '
    FILENAME ~ /\/units$/ { if (only == "" || $2 == only) unit[$1]; next }
    $2 in unit && $4 in unit && !(($2, $4) in seen) { seen[$2, $4]; n++; from[n] = $2; to[n] = $4 }
    END {
      # Each round gives a floor to the units of which all includes have one.
      for (found = 1; found; ) {
        found = 0
        for (u in unit) { ready[u] = !(u in floor); next_floor[u] = 1 }
        for (i = 1; i <= n; i++) {
          if (!(to[i] in floor)) ready[from[i]] = 0
          else if (floor[to[i]] >= next_floor[from[i]]) next_floor[from[i]] = floor[to[i]] + 1
        }
        for (u in unit)
          if (ready[u]) { floor[u] = next_floor[u]; found = 1; if (floor[u] > top) top = floor[u] }
      }
      # The rest are in a cycle or above one: those that no other of them includes are above.
      for (u in unit) if (!(u in floor)) round[u]
      for (found = 1; found; ) {
        found = 0
        for (u in round) free[u] = 1
        for (i = 1; i <= n; i++) if (from[i] in round) free[to[i]] = 0
        for (u in unit) if (u in round && free[u]) { delete round[u]; found = 1 }
      }
      for (u in round) cycles++
      print top + 0, cycles + 0
      for (i = 1; i <= n; i++) if (from[i] in round && to[i] in round) print from[i] " includes " to[i]
    }
  ' "$tmp/units" "$tmp/includes"
}

measure > "$tmp/measured"
sed 1d "$tmp/measured" | sort > "$tmp/said"
[ ! -s "$tmp/said" ]; report "no include goes round" $?

read -r floors cycles < "$tmp/measured"
echo "# $units units, $(awk '!(($2, $4) in seen) { seen[$2, $4]; n++ } END { print n + 0 }' "$tmp/includes") dependencies, $floors floors, $cycles units in cycles"
for folder in $folders; do
  measure "$folder" > "$tmp/measured"
  read -r floors cycles < "$tmp/measured"
  echo "# $folder: $(grep -c " $folder\$" "$tmp/units") units, $floors floors, $cycles units in cycles"
done
awk '
  $1 != $3 && !(($2, $4) in seen) { seen[$2, $4]; n[$1 " -> " $3]++ }
  END { for (k in n) print "# " k ": " n[k] }
' "$tmp/includes" | sort

# --- the program

# page-data.c is made of the files of the page.
ls tools/*.c tools/*/*.[ch] | grep -vx tools/page/page-data.c > "$tmp/files"
while read -r file; do
  # comments are in lines of their own there; headers of other libraries, in <>, are left out
  sed -nE "s,^[ \t]*#[ \t]*(include|import)[ \t]*(\"[^\"]*\"|<lsobs[^>]*>|<tools[^>]*>).*,$file \\2,p" "$file"
done < "$tmp/files" | grep -vF '"config.h"' > "$tmp/raw"
awk -v folders="$tools_folders" -v uses="$tools_uses" '
  function folder_of(path,    n, parts) { n = split(path, parts, "/"); return n == 3 ? parts[2] : "" }
  BEGIN {
    n = split(folders, names, " "); for (i = 1; i <= n; i++) height[names[i]] = i
    height[""] = n + 1
    n = split(uses, names, " "); for (i = 1; i <= n; i++) used[names[i]]
  }
  FILENAME ~ /\/files$/ {
    exists[$1]
    if (!(folder_of($1) in height)) print $1 ": is in no folder of the list"
    next
  }
  {
    path = substr($2, 2, length($2) - 2)
    if (path ~ /^lsobs\/lsobs(-[a-z0-9-]+)?\.h$/) next
    if (path ~ /^lsobs\/[a-z]+\/lsobs-[a-z0-9-]+-private\.h$/ && folder_of(path) in used) next
    if ($2 !~ /^"/ || path !~ /^tools\/[a-z]+\/[a-z0-9-]+\.h$/) { print $1 ": may not include " $2; next }
    if (!(path in exists)) { print $1 ": there is no " path; next }
    if (height[folder_of(path)] > height[folder_of($1)])
      print $1 ": includes " path ", which is above " folder_of($1) "/"
  }
' "$tmp/files" "$tmp/raw" > "$tmp/said"
n_includes=$(grep -c ' "tools/' "$tmp/raw")
echo "# tools: $(wc -l < "$tmp/files") files with $n_includes includes of others"
[ "$n_includes" -gt 50 ] || echo "only $n_includes includes were found in tools/" >> "$tmp/said"
[ ! -s "$tmp/said" ]; report "the program includes only what is below, and of lsobs/ only $tools_uses" $?

echo "1..$n"
