#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of a program in Vala loses nothing."""

import os
import signal
import sys
import tempfile

import counting_service

N_RUNS = 100


def main():
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, 'exit-program')
        counting_service.compile_vala(program)

        def check(end, code):
            service = counting_service.GoodService()
            try:
                ended = counting_service.run_program([program, end], service,
                                                     **counting_service.LONG_EXIT)
                assert ended.code == code, f'{ended.code}: {ended.said}'
                assert service.count() == N_RUNS, f'{service.count()} runs arrived: {ended.said}'
            finally:
                service.close()

        return counting_service.report(check, [('return', 0), ('keep', 0), ('exit', 7),
                                               ('term', -signal.SIGTERM)])


sys.exit(main())
