#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where the instructions of a run are spent, by function: in the thread that calls, and in the one that
# encodes, whose batches a transport takes that does nothing. "make bench-functions" runs it in the folder of
# the build.
#
#   functions.py [KIND ...]      kinds of bench/pairs; by default ready-1000 and node-1000

import glob
import os
import re
import subprocess
import sys
import tempfile

import instructions

N_BURSTS = 20
N_LINES = 20
LINE = re.compile(r'^ *([\d,]+) \( *[\d.]+%\)  (?:.*?):([^ ]+(?: [^\[]*)?)(?: \[(.*)\])?$')


def read_functions(path):
    """Returns the instructions of each pair of function and library."""
    text = subprocess.run(['callgrind_annotate', '--auto=no', '--inclusive=no', '--threshold=99', path],
                          capture_output=True, text=True, check=True).stdout
    matches = [match for match in map(LINE.match, text.splitlines()) if match is not None]
    # What is inlined from another file has a line of its own, without the library.
    libraries = {match.group(2).strip(): os.path.basename(match.group(3)).split('.so')[0]
                 for match in matches if match.group(3)}
    found = {}
    for match in matches:
        name = match.group(2).strip()
        key = name, libraries.get(name, 'program')
        found[key] = found.get(key, 0) + int(match.group(1).replace(',', ''))
    return found


def print_functions(title, functions):
    n_runs = N_BURSTS * instructions.BURST
    total = sum(functions.values())
    libraries = {}
    for (_, library), count in functions.items():
        libraries[library] = libraries.get(library, 0) + count
    shares = ', '.join(f'{library} {count / total:.0%}' for library, count in
                       sorted(libraries.items(), key=lambda item: -item[1]) if count > total / 100)
    print(f'\n{title}: {total / n_runs:,.0f} instructions for each run; {shares}')
    for (name, library), count in sorted(functions.items(), key=lambda item: -item[1])[:N_LINES]:
        print(f'{count / n_runs:10,.1f}  {count / total:6.1%}  {name}  ({library})')


def main(kinds):
    why = instructions.why_not()
    if why is not None:
        raise SystemExit(why)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            instructions.run(['--toggle-collect=do_pairs'], kind, N_BURSTS, folder)
            print_functions(f'{kind}, the thread that calls', read_functions(f'{folder}/out-01'))
        with tempfile.TemporaryDirectory() as folder:
            instructions.run([], kind, N_BURSTS, folder)
            busiest = max(sorted(glob.glob(f'{folder}/out-*'))[1:], key=instructions.read_total)
            print_functions(f'{kind}, the thread that encodes', read_functions(busiest))


main(sys.argv[1:] or ['ready-1000', 'node-1000'])
