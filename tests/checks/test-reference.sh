#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The reference is a site: each link of its pages leads to a page and a place that are there, no page
# is empty, each guide is a page, and pages have the style sheet of lsobs and tell phones their width.

# What a page of less words says nothing.
min_words=25

# shellcheck source=tests/checks/report.sh
. "$G_TEST_SRCDIR/checks/report.sh"
source=$G_TEST_SRCDIR/../docs/reference
reference=$G_TEST_BUILDDIR/../docs/reference

# list_targets FOLDER: lines of PAGE and PAGE#PLACE, of all pages there
list_targets () {
  (cd "$1" && for page in *; do echo "$page"; done
   cd "$1" && grep -oE '<[^>]* (id|name)="[^"]*"' ./*.html | sed -E 's!^\./([^:]*):.* (id|name)="([^"]*)"$!\1#\3!')
}

# list_links FOLDER: lines of PAGE LINK, of all pages there
list_links () {
  (cd "$1" && grep -oE '(href|src)="[^"]*"' ./*.html | sed -E 's!^\./([^:]*):(href|src)="([^"]*)"$!\1 \3!; s/&amp;/\&/g' | sort -u)
}

# find_dead FOLDER: the links of its pages that lead nowhere
find_dead () {
  list_targets "$1" | sort -u > "$tmp/targets"
  list_links "$1" | awk -v targets="$tmp/targets" '
    BEGIN { while ((getline line < targets) > 0) there[line] }
    $2 ~ /^(https?|mailto):/ { next }
    # the documentation of GLib, on this machine; from where the pages are installed, it is one folder up
    $2 ~ /^(\/|\.\.\/)/ {
      file = $2; sub(/#.*/, "", file); sub(/^\.\./, "/usr/share/gtk-doc/html", file)
      if (!(file in known)) known[file] = (getline line < file) >= 0
      if (!known[file]) print $1 ": there is no " $2
      next
    }
    {
      target = $2
      if (target ~ /^#/) target = $1 target
      sub(/#$/, "", target)
      if (!(target in there)) print $1 ": there is no " $2
    }'
}

# count_words PAGE: those that are no part of the bar at the top and the line at the bottom
count_words () {
  tr '\n' ' ' < "$1" \
    | sed -E 's!.*<body[^>]*>!!; s!<table class="navigation".*alt="Next">(</a>)?</td>!!; s!<div class="footer">.*!!; s!<[^>]*>! !g' | wc -w
}

# The search is tried first.
mkdir "$tmp/site"
cat > "$tmp/site/a.html" << 'END'
<body><a name="here"></a><a href="#here">1</a> <a href="b.html#there">2</a> <a href="https://example.org">3</a>
<a href="#nowhere">dead</a> <a href="c.html">dead</a> <a href="b.html#here">dead</a> <a href="/no/such.html">dead</a>
<a href="../no-such-library/index.html">dead</a>
<img src="picture.png"></body>
END
echo '<body><h2 id="there">B</h2><a href="a.html">1</a></body>' > "$tmp/site/b.html"
find_dead "$tmp/site" > "$tmp/said"
[ "$(wc -l < "$tmp/said")" -eq 6 ] && [ "$(count_words "$tmp/site/b.html")" -eq 2 ]
report "dead links and empty pages are found" $?

# --- the sources ---

for guide in "$source"/guide-*.xml; do
  guide=${guide##*/}
  [ "$(grep -c "href=\"$guide\"" "$source/lsobs-docs.xml")" = 1 ] || echo "lsobs-docs.xml does not have $guide once"
  grep -q "^	$guide " "$source/Makefile.am" || echo "Makefile.am does not name $guide"
done > "$tmp/said"
[ ! -s "$tmp/said" ]; report "each guide is a page" $?

# --- what was built of them ---

html=$reference/html
if ! [ -f "$html/index.html" ]; then
  skip "the reference is a site" "the reference is not built"
  echo "1..$n"
  exit
fi

list_links "$html" > "$tmp/links"
find_dead "$html" > "$tmp/said"
links=$(wc -l < "$tmp/links")
echo "# $links links"
[ "$links" -gt 2000 ] || echo "only $links links were found" >> "$tmp/said"
[ ! -s "$tmp/said" ]; report "the reference is a site" $?

for page in "$html"/*.html; do
  words=$(count_words "$page")
  [ "$words" -ge $min_words ] || echo "${page##*/} has $words words"
done > "$tmp/said"
[ ! -s "$tmp/said" ]; report "no page is empty" $?

# gtk-doc has an index of deprecated symbols, which is left out while there are none.
: > "$tmp/said"
if grep -qs '<indexentry' "$reference/xml/api-index-deprecated.xml" \
    && ! grep -q '<index .*"xml/api-index-deprecated.xml"' "$source/lsobs-docs.xml"; then
  echo "add the index of deprecated symbols to lsobs-docs.xml" > "$tmp/said"
fi
grep -hos 'linkend="api-index-[0-9][^"]*"' "$reference"/xml/lsobs-*.xml | sort -u | sed 's/linkend="//; s/"//' | while read -r index; do
  grep -q "<index id=\"$index\">" "$source/lsobs-docs.xml" || echo "add the index $index to lsobs-docs.xml"
done >> "$tmp/said"
[ ! -s "$tmp/said" ]; report "each index is there" $?

for page in "$html"/*.html; do
  head -n 1 "$page" | grep -qx '<!DOCTYPE html>' || echo "${page##*/} is of another HTML"
  grep -q '<meta name="viewport"' "$page" || echo "${page##*/} does not tell a phone its width"
  grep -q '<link rel="stylesheet" href="style.css"' "$page" || echo "${page##*/} has no style sheet"
  ! tr '\n' ' ' < "$page" | grep -q '<thead>.*<td>' || echo "${page##*/} has cells without the title of their column"
  ! grep -q '<body [^>]*bgcolor=' "$page" || echo "${page##*/} has colours of its own"
done > "$tmp/said"
cmp "$source/style.css" "$html/style.css" >> "$tmp/said" 2>&1
grep -q 'prefers-color-scheme: dark' "$html/style.css" || echo "style.css has no dark colours" >> "$tmp/said"
[ ! -s "$tmp/said" ]; report "pages are light, dark and narrow" $?
echo "1..$n"
