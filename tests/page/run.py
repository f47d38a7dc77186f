#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests the page of "lsobs serve" in Chromium, and prints TAP.

Needs chromium and chromedriver. A test is a function test_… (stage) in a file test_….py beside this one.
"""

import argparse
import fnmatch
import glob
import importlib
import os
import re
import shutil
import signal
import sys
import time
import traceback

FOLDER = os.path.dirname(os.path.abspath(__file__))
# the sources may be read-only, and stay as they are
sys.dont_write_bytecode = True
sys.path[:0] = [FOLDER, os.path.join(FOLDER, '..', 'lib')]

from stage import Stage  # noqa: E402  the folder has to be known first


def collect(patterns):
    """Returns: the tests, in the order of the files and of the functions in them, by name."""
    tests = {}
    for file in sorted(glob.glob(os.path.join(FOLDER, 'test_*.py'))):
        module = importlib.import_module(os.path.basename(file)[:-3])
        for name, value in vars(module).items():
            if name.startswith('test_') and callable(value):
                path = f'/page/{module.__name__[5:]}/{name[5:]}'.replace('_', '-')
                if not patterns or any(fnmatch.fnmatch(path, f'*{pattern}*') for pattern in patterns):
                    tests[path] = value
    return tests


def say_problem(stage, path, problem):
    text = ''.join(traceback.format_exception(type(problem), problem, problem.__traceback__))
    for line in text.splitlines():
        print(f'# {line}')
    try:
        print(f'# at {stage.browser.url}')
        stage.picture('failed' + re.sub(r'[^a-z0-9]+', '-', path.lower()))
    except Exception as error:  # pylint: disable=broad-except  the browser may be gone
        print(f'# no picture: {error}')


def run_test(stage, path, test):
    start = time.monotonic()
    try:
        stage.begin()
        test(stage)
        stage.check_harmless()
    except Exception as problem:  # pylint: disable=broad-except  any is a failure of this test alone
        say_problem(stage, path, problem)
        return False
    finally:
        print(f'# {path} took {time.monotonic() - start:.1f} s', flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--program', default='lsobs', help='the program to test')
    parser.add_argument('--pictures', help='a folder for pictures of all views')
    parser.add_argument('--axe', help='the file axe.min.js of axe-core')
    parser.add_argument('--list', action='store_true', help='print the names of the tests')
    parser.add_argument('patterns', nargs='*', help='parts of the names of the tests to run')
    options = parser.parse_args()
    tests = collect(options.patterns)
    if options.list:
        print('\n'.join(tests))
        return 0
    for program in ('chromium', 'chromedriver'):
        if not shutil.which(program):
            print(f'1..0 # SKIP {program} is not installed')
            return 77
    failed = 0
    # what was started ends with this program
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    print(f'1..{len(tests)}')
    stage = Stage(options.program.split(), options.pictures, options.axe)
    try:
        for i, (path, test) in enumerate(tests.items(), 1):
            if getattr(test, 'needs_axe', False) and not options.axe:
                print(f'ok {i} - {path} # SKIP there is no axe-core')
                continue
            is_right = run_test(stage, path, test)
            print(f'{"ok" if is_right else "not ok"} {i} - {path}', flush=True)
            failed += not is_right
    finally:
        stage.close()
    print(f'# {len(tests) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
