# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Counts the instructions of bench/pairs with callgrind: they do not depend on what the machine does beside.
# A module of the other programs; the current folder is that of the build.

import glob
import os
import re
import shutil
import subprocess
import tempfile

KINDS = ['ready-100', 'ready-1000', 'ready-10000', 'ready-100000', 'node-100', 'node-1000', 'node-10000',
         'node-100000', 'notes-1000', 'unsampled-1000']
BURST = 100


def why_not():
    """Returns why nothing can be counted here, or None."""
    if shutil.which('valgrind') is None:
        return 'valgrind is not installed'
    return None


def run(options, kind, n_bursts):
    """Returns the instructions of each thread, the first of which is that of main ()."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out')
        command = ['./libtool', '--mode=execute', 'valgrind', '--tool=callgrind', f'--callgrind-out-file={out}',
                   '--separate-threads=yes', *options, 'bench/pairs', kind, str(n_bursts)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} has failed:\n{done.stderr[-2000:]}")
        totals = []
        for path in sorted(glob.glob(f'{out}-*')):
            with open(path, encoding='utf-8') as file:
                found = re.search(r'^totals: (\d+)', file.read(), re.MULTILINE)
            totals.append(int(found.group(1)) if found else 0)
    if not totals:
        raise SystemExit('callgrind has written no counts')
    return totals


def count_pair(kind):
    """Returns the instructions of a pair in the thread that calls."""
    n_bursts = 2 if kind.endswith('00000') else 5
    count = run(['--toggle-collect=do_pairs'], kind, n_bursts)[0]
    if count == 0:
        raise SystemExit('callgrind has not seen do_pairs (): was bench/pairs stripped?')
    return count / (n_bursts * BURST)


def count_encoding(kind='ready-1000'):
    """Returns the instructions of a run in the other threads: it is taken, encoded, measured and given up."""
    few, many = (sum(run([], kind, n)[1:]) for n in (5, 15))
    return (many - few) / (10 * BURST)
