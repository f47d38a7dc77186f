#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of a program in GJS loses nothing, and calls no function of the program too late."""

import os
import signal
import sys

import counting_service

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'exit-program.js')
N_RUNS = 100


def check(case, code, n_runs=N_RUNS, delay=0):
    """What is judged has been hidden; what a function should have judged, and did not, is not
    sent in any case.
    """
    hook = case.endswith(' hook')
    # the engine calls no function in another thread, nor after the end
    judges = hook and case.startswith(('exit context', 'term context'))
    service = counting_service.GoodService(delay)
    try:
        command = [os.environ.get('GJS') or 'gjs', PROGRAM] + case.split()
        ended = counting_service.run_program(command, service, **counting_service.LONG_EXIT)
        assert ended.code == code, f'{ended.code}: {ended.said}'
        assert service.count() == n_runs, f'{service.count()} runs arrived: {ended.said}'
        bodies = b''.join(service.get_bodies())
        assert (b'judged' in bodies) == judges, 'not judged, or without reason'
        assert (b'hidden' in bodies) == (n_runs > 0 and not hook), 'not hidden, or without reason'
    finally:
        service.close()


TERM = -signal.SIGTERM
CASES = [('return', 0), ('exit', 7), ('exception', 1), ('return hook', 0), ('exit hook', 7),
         ('exception hook', 1), ('exit context', 7), ('exit context hook', 7), ('term', TERM),
         ('term hook', TERM), ('term context', TERM), ('term context hook', TERM)]
# The engine leaves the main context in a state that it cannot be run in, and judges no more.
CASES += [(f'{end} context{hook}', code, n_runs) for end, code in (('return', 0), ('exception', 1))
          for hook, n_runs in (('', N_RUNS), (' hook', 0))]
CASES += [('exit', 7, N_RUNS, counting_service.LONG_DELAY_S)]


if __name__ == '__main__':
    sys.exit(counting_service.report(check, CASES))
