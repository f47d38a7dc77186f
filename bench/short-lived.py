#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what 10,000 observers that are made, used and dropped one after the other need at most,
and how long it takes until nothing is left of the last one, for each service and thread mode;
or for those whose name contains a word that is given. `make check` prepares the environment:

    ./dev check TESTS=bench/short-lived.py

Some rounds are made until the heap does not grow any more, with a line for each. "limit" is the
shutdown timeout and 1 s. Services with TLS take long.
"""

import os
import subprocess
import sys

PROGRAM = os.path.join(os.environ['G_TEST_BUILDDIR'], 'api', 'test-leave')
PREFIX = '/leave/short-lived/'


def main(words):
    listed = subprocess.run([PROGRAM, '-l'], stdout=subprocess.PIPE, text=True, check=True).stdout
    paths = [path for path in listed.split() if path.startswith(PREFIX)]
    for path in paths:
        if words and not any(word in path for word in words):
            continue
        ended = subprocess.run([PROGRAM, '-m', 'slow', '-p', path], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False)
        for line in ended.stdout.splitlines():
            if line.startswith(PREFIX) or line.startswith('ERROR'):
                print(line.removeprefix(PREFIX), flush=True)


main(sys.argv[1:])
print('1..0 # SKIP it decides nothing')
