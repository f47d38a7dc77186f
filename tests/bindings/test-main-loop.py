#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dropping observers does not stop a main loop while the service hangs: bench/main-loop-gap.py
prints how long it does.
"""

import sys

import counting_service
import virtual_display

# Each of the observers might wait thirty times as long.
LIMIT_MS = 1000


def check(loop):
    service = counting_service.SilentService()
    try:
        gap = virtual_display.measure_gap(loop, service)
        assert gap < LIMIT_MS, f'the main loop stood still for {gap} ms'
    except virtual_display.Missing as problem:
        return str(problem)
    finally:
        service.close()


if __name__ == '__main__':
    sys.exit(counting_service.report(check, [(loop,) for loop in virtual_display.PROGRAMS]))
