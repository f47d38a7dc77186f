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


def clean_environment():
    """Returns what the programs run with: what is measured depends on no setting of who measures."""
    left_out = re.compile(r'LANGSMITH_|LANGCHAIN_|MALLOC_|G_DEBUG|G_SLICE|G_MESSAGES_DEBUG|.*_proxy$|.*_PROXY$')
    environment = {name: value for name, value in os.environ.items() if not left_out.match(name)}
    environment.update(LC_ALL='C.UTF-8', GIO_USE_VFS='local', GSETTINGS_BACKEND='memory')
    return environment


def why_not():
    """Returns why nothing can be counted here, or None."""
    if shutil.which('valgrind') is None:
        return 'valgrind is not installed'
    return None


def read_total(path):
    """Returns the instructions in a file of callgrind, which is that of one thread."""
    with open(path, encoding='utf-8') as file:
        found = re.search(r'^totals: (\d+)', file.read(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def run(options, kind, n_bursts, folder=None):
    """Returns the instructions of each thread, the first of which is that of main (); callgrind's files are
    left in the folder, if there is one, as out-01 and so on."""
    if folder is None:
        with tempfile.TemporaryDirectory() as folder:
            return run(options, kind, n_bursts, folder)
    out = os.path.join(folder, 'out')
    command = ['./libtool', '--mode=execute', 'valgrind', '--tool=callgrind', f'--callgrind-out-file={out}',
               '--separate-threads=yes', *options, 'bench/pairs', kind, str(n_bursts)]
    # In which arena a thread frees memory is chance, and costs more or less.
    environment = {**clean_environment(), 'MALLOC_ARENA_MAX': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} has failed:\n{done.stderr[-2000:]}")
    totals = [read_total(path) for path in sorted(glob.glob(f'{out}-*'))]
    if not totals:
        raise SystemExit('callgrind has written no counts')
    return totals


def count_pair(kind):
    """Returns the instructions of a pair in the thread that calls."""
    n_bursts = 2 if kind.endswith('00000') else 10
    count = run(['--toggle-collect=do_pairs'], kind, n_bursts)[0]
    if count == 0:
        raise SystemExit('callgrind has not seen do_pairs (): was bench/pairs stripped?')
    return count / (n_bursts * BURST)


def count_encoding(kind='ready-1000'):
    """Returns the instructions of a run in the other threads: it is taken, encoded, measured and given up."""
    few, many = (sum(run([], kind, n)[1:]) for n in (5, 25))
    return (many - few) / (20 * BURST)
