# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Mends a page that gtk-doc has made, for the style sheet: "awk -f look.awk PAGE".
#
# gtk-doc's HTML makes browsers follow old rules, gives phones the width of a desktop, and has colours of
# its own. Each cell of a table with a head gets the title of its column, which a phone shows above
# the cell.

# label_cells LINE: the line, with titles in the cells that begin in it
function label_cells(line,    done) {
  done = ""
  while (match(line, /<t[dhr][ >]|<\/?thead>|<table[^>]*>/)) {
    tag = substr(line, RSTART, RLENGTH)
    done = done substr(line, 1, RSTART - 1)
    line = substr(line, RSTART + RLENGTH)
    if (tag ~ /^<table/) n_titles = 0
    else if (tag ~ /^<tr/) column = 0
    else if (tag ~ /^<th[ >]/) {
      title = line
      if (tag ~ / $/) sub(/^[^>]*>/, "", title)
      sub(/<\/th>.*/, "", title); gsub(/<[^>]*>/, "", title); gsub(/"/, "\\&quot;", title)
      titles[++n_titles] = title
    }
    else if (tag ~ /^<td/ && ++column <= n_titles)
      tag = "<td data-title=\"" titles[column] "\"" substr(tag, 4)
    done = done tag
  }
  return done line
}

NR == 1 { sub(/.*<!DOCTYPE[^>]*>/, "<!DOCTYPE html>") }
NR <= 3 { sub(/^<html>/, "<html lang=\"en\">") }
{
  sub(/<meta http-equiv="Content-Type"[^>]*>/, "<meta charset=\"UTF-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
  sub(/<body bgcolor="[^>]*>/, "<body>")
  print label_cells($0)
}
