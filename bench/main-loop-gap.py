#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the worst gap in the main loops of programs with GTK 4, in Python and GJS, that drop
observers while the service hangs, refuses or is good; with "which sends", the observers send in the
main context of the program. `make check` prepares the environment:

    ./dev check TESTS=bench/main-loop-gap.py
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'bindings'))
# pylint: disable=wrong-import-position
import counting_service
import virtual_display

for loop in virtual_display.PROGRAMS:
    for name, make_service in counting_service.SERVICES.items():
        service = make_service()
        try:
            gap = f'{virtual_display.measure_gap(loop, service)} ms'
        except virtual_display.Missing as problem:
            gap = f'not measured: {problem}'
        finally:
            service.close()
        print(f'{loop}, {name} service: worst gap {gap}', flush=True)
print('1..0 # SKIP it decides nothing')
