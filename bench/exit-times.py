#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints how long programs with 100 runs that wait take to their end, from the start of the
process, for each way to end in C, Python, GJS and Vala and for a service that is good, hangs or
refuses. "nothing" is a program of Python that only loads lsobs. `make check` prepares the
environment:

    ./dev check TESTS=bench/exit-times.py
"""

import os
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'bindings')
sys.path.insert(0, TESTS)
# pylint: disable=wrong-import-position
import counting_service

NOTHING = 'import gi; gi.require_version("Lsobs", "1.0"); from gi.repository import Lsobs'


def get_programs(directory):
    programs = {'nothing': [[sys.executable, '-c', NOTHING]]}
    c_program = [os.path.join(os.environ['G_TEST_BUILDDIR'], 'api', 'test-exit'), '--program', 'end']
    programs['C'] = [c_program + [context, end, 'plain'] for context in ('thread', 'default')
                     for end in ('return', 'drop', 'exit', 'term')]
    python = [sys.executable, os.path.join(TESTS, 'exit-program.py')]
    programs['Python'] = [python + [end] for end in ('return', 'exit', 'exception', 'return-context', 'term',
                                                     'term-context')]
    programs['Python workers'] = [python + [kind, 'fork'] for kind in ('process', 'executor', 'pool')]
    gjs = [os.environ.get('GJS') or 'gjs', os.path.join(TESTS, 'exit-program.js')]
    programs['GJS'] = [gjs + end.split() for end in ('return', 'exit', 'exception', 'exit context', 'term',
                                                     'term context')]
    if os.environ.get('VALAC'):
        vala = os.path.join(directory, 'exit-program')
        counting_service.compile_vala(vala)
        programs['Vala'] = [[vala, end] for end in ('return', 'keep', 'exit', 'term')]
    return programs


def main():
    with tempfile.TemporaryDirectory() as directory:
        for language, commands in get_programs(directory).items():
            for command in commands:
                # without the interpreter and its script
                skip = {'Vala': 1, 'C': 3}.get(language, 2)
                end = ' '.join([language] + (command[skip:] if language != 'nothing' else []))
                for name, make_service in counting_service.SERVICES.items():
                    service = make_service()
                    ended = counting_service.run_program(
                        command, service, LSOBS_TEST_URL=f'http://127.0.0.1:{service.port}')
                    arrived = f', {service.count()} runs arrived' if name == 'good' else ''
                    by_signal = f', by signal {-ended.code}' if ended.code < 0 else ''
                    service.close()
                    print(f'{end}: {name} service: {ended.seconds:.2f} s{by_signal}{arrived}', flush=True)


main()
print('1..0 # SKIP it decides nothing')
