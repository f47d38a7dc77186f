#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes ./configure in a git checkout, and runs it with the arguments given
# unless NOCONFIGURE is set.
set -e
srcdir=$(cd "$(dirname "$0")" && pwd)
(cd "$srcdir" && autoreconf --force --install)
test -n "$NOCONFIGURE" || exec "$srcdir/configure" "$@"
