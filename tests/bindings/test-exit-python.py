#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of a program in Python, and that of its workers, loses nothing."""

import os
import signal
import sys

import counting_service

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'exit-program.py')
N_RUNS = 100
N_PROCESSES = 6

CASES = [(end, code, N_RUNS) for end, code in (('return', 0), ('exit', 7), ('exception', 1), ('exporter', 0),
                                               ('hook-return', 0), ('hook-exit', 7),
                                               ('hook-exception', 1), ('return-context', 0),
                                               ('hook-return-context', 0), ('fork', 0),
                                               ('term', -signal.SIGTERM),
                                               ('term-context', -signal.SIGTERM))]
# The transport of a program is not called after the interpreter has ended.
CASES += [('late-transport', 0, N_RUNS)]
CASES += [('fork-trace', 0, 2 * N_RUNS), ('exit', 7, N_RUNS, counting_service.LONG_DELAY_S)]
CASES += [(f'{workers} {method}', 0, N_RUNS * N_PROCESSES)
          for workers in ('process', 'executor', 'pool', 'pool-of-one-task-each')
          for method in ('fork', 'spawn', 'forkserver')]


def check(case, code, n_runs, delay=0):
    service = counting_service.GoodService(delay)
    try:
        ended = counting_service.run_program([sys.executable, PROGRAM] + case.split(), service,
                                             **counting_service.LONG_EXIT)
        assert ended.code == code, f'{ended.code}: {ended.said}'
        assert service.count() == n_runs, f'{service.count()} runs of {n_runs} arrived: {ended.said}'
        assert 'called' not in ended.said, ended.said
        for body in service.get_bodies():
            assert (b'judged' in body) == case.startswith('hook-'), 'not judged, or without reason'
            assert (b'hidden' in body) != case.startswith('hook-'), 'not hidden, or without reason'
    finally:
        service.close()


if __name__ == '__main__':
    sys.exit(counting_service.report(check, CASES))
