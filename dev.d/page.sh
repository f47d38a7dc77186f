# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# The page of "lsobs serve" in Chromium: its tests, and its pictures. Read by ../dev.

# What looks for faults that keep people with disabilities out.
axe_core=axe-core@4.10.3

# page_setup: what the page is looked at with
page_setup () {
  local language folder=$top/_build/page-locale
  command -v npm > /dev/null || setup nodejs npm
  # the font is of most systems, and has the letters of all languages of po/
  if command -v dnf > /dev/null; then
    setup chromium-headless chromedriver dejavu-sans-fonts
  else
    setup chromium chromium-driver fonts-dejavu-core fonts-noto-cjk
  fi
  build
  mkdir -p "$top/_build-page"
  [ -d "$top/_build-page/node_modules/axe-core" ] \
    || (cd "$top/_build-page" && npm install --no-audit --no-fund --no-save "$axe_core") || die "npm has no $axe_core"
  # The program finds translations where they are installed. One is made up, so that a test does not depend on what
  # has been translated.
  while read -r language; do
    mkdir -p "$folder/$language/LC_MESSAGES"
    cp "$top/po/$language.gmo" "$folder/$language/LC_MESSAGES/lsobs.mo"
  done < <(grep -v '^#' "$top/po/LINGUAS" | tr ' ' '\n' | grep .)
  python3 "$top/tests/lib/pseudo_locale.py" "$top" "$folder"
}

# page_test [FOLDER [PATTERNS]]: all tests, or those whose names have a pattern; pictures of all views go to FOLDER
page_test () {
  local pictures=${1:-$top/_build/page-pictures} log rc=0
  page_setup
  log=$top/_build/page-test.log
  rm -rf "$top/_build/page-pictures"
  say "the page in a browser; pictures go to $pictures"
  TEXTDOMAINDIR=$top/_build/page-locale python3 "$top/tests/page/run.py" --program "$top/_build/tools/lsobs" \
    --pictures "$pictures" --axe "$top/_build-page/node_modules/axe-core/axe.min.js" -- "${@:2}" < /dev/null 2>&1 | tee "$log" || rc=$?
  echo "$(grep -c '^ok ' "$log") passed, $(grep -c '^not ok ' "$log") failed"
  return "$rc"
}

# page_pictures: those of the guide and of README, made anew from the page
page_pictures () {
  page_setup
  setup pngquant
  python3 "$top/tests/page/pictures.py" --program "$top/_build/tools/lsobs" "$top/docs/reference/images"
}
