#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests see does not depend on who runs them: no proxy, no settings of
# the desktop, and above all no key of a real account, be it in the home directory.
# "make check" reads this file, the installed tests are run by it:
# hermetic.sh PROGRAM ARGUMENTS...
for v in $(env | sed -n 's/^\(LANGSMITH_[A-Z0-9_]*\|HOSTED_LANGSERVE_[A-Z_]*\|LANGCHAIN_[A-Z0-9_]*\|OPENAI_[A-Z_]*\|SSL_CERT_[A-Z]*\|REQUESTS_CA_BUNDLE\|REQUEST_METHOD\|[a-z]*_proxy\|[A-Z]*_PROXY\)=.*/\1/p'); do
  unset "$v"
done
# what compilers keep in a cache stays where it is
XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}; export XDG_CACHE_HOME
HOME=/dev/null; export HOME
LC_ALL=C.UTF-8; export LC_ALL
unset LANGUAGE
GIO_USE_VFS=local; export GIO_USE_VFS
GSETTINGS_BACKEND=memory; export GSETTINGS_BACKEND
G_DEBUG=fatal-warnings,gc-friendly; export G_DEBUG
MALLOC_PERTURB_=165; export MALLOC_PERTURB_

if [ $# != 0 ]; then
  # the examples that tests run are installed beside this file
  LSOBS_EXAMPLES_DIR=$(dirname "$0"); export LSOBS_EXAMPLES_DIR
  exec "$@"
fi
