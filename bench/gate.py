#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares instruction counts with those in expected.json, and fails if one differs by more than 5 %. Counts
# depend on what is compiled and linked, and so on the toolchain, but not on how busy the machine is. "./dev
# bench --gate" runs it in the folder of the build.
#
#   gate.py             compares; exits with 3 if the toolchain is another one than that in expected.json
#   gate.py --update    writes what is counted, and the toolchain, to expected.json
#   gate.py --base=DIR --base-expected=FILE
#                       compares with what is counted in DIR, where another commit was built in the same way;
#                       FILE is the expected.json of that commit: where it says something else than the one
#                       here, the counts may differ as much

import argparse
import json
import os
import platform
import re
import subprocess
import sys

import instructions

SLACK = 0.05
OTHER_TOOLCHAIN = 3
PAIRS = ['ready-100', 'ready-1000', 'node-1000', 'notes-1000', 'unsampled-1000']
ENCODING = 'encode-1000'
EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'expected.json')
HOW_TO_UPDATE = ('If that is on purpose, say in the commit what costs more or less, and write the new counts '
                 'down with: ./dev bench --update')


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def find_compiler():
    """Returns the compiler of this build, without ccache."""
    with open('Makefile', encoding='utf-8') as file:
        return re.search(r'^CC = (.*)', file.read(), re.MULTILINE).group(1).split()[-1]


def find_toolchain():
    modules = {'glib': 'glib-2.0', 'json-glib': 'json-glib-1.0', 'libsoup': 'libsoup-3.0'}
    found = {'compiler': first_line(find_compiler(), '--version'),
             'libc': ' '.join(platform.libc_ver()),
             'valgrind': first_line('valgrind', '--version')}
    found.update({name: first_line('pkg-config', '--modversion', module) for name, module in modules.items()})
    return found


def count_all():
    """Returns the counts of the build in the current folder, without those that it does not have."""
    counts = {kind: round(instructions.count_pair(kind)) for kind in PAIRS}
    counts[ENCODING] = round(instructions.count_encoding())
    return counts


def read_expected(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def skip(why):
    print(f'ok 1 bench instructions # SKIP {why}')
    print('0 passed, 0 failed, 1 skipped')


def compare(counts, expected, beside):
    """Prints a line for each count, and returns whether all are within the slack."""
    n_bad = 0
    for number, (name, count) in enumerate(counts.items(), 1):
        ratio = count / expected[name] - 1
        is_bad = abs(ratio) > SLACK
        n_bad += is_bad
        print(f"{'not ok' if is_bad else 'ok'} {number} - {name}: {count:,} instructions, {ratio:+.1%} of "
              f'{expected[name]:,.0f} {beside}')
    if n_bad:
        print(f'# {n_bad} counts differ by more than {SLACK:.0%}. {HOW_TO_UPDATE}')
    print(f'{len(counts) - n_bad} passed, {n_bad} failed')
    return n_bad == 0


def compare_with_base(folder, base_expected):
    """Multiplies what the base costs by what was changed on purpose since."""
    head = count_all()
    here = os.getcwd()
    os.chdir(folder)
    base = count_all()
    os.chdir(here)
    wanted, before = read_expected(EXPECTED)['instructions'], read_expected(base_expected)['instructions']
    return compare(head, {name: base[name] * wanted[name] / before[name] for name in head},
                   'of the base, in the same run')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--update', action='store_true')
    parser.add_argument('--base', metavar='DIR')
    parser.add_argument('--base-expected', metavar='FILE')
    options = parser.parse_args()
    why = instructions.why_not()
    if platform.machine() != 'x86_64':
        why = f'the counts are those of x86_64, and this is {platform.machine()}'
    if why is not None:
        skip(why)
        return 0
    if options.base:
        return 0 if compare_with_base(options.base, options.base_expected) else 1
    toolchain = find_toolchain()
    if options.update:
        with open(EXPECTED, 'w', encoding='utf-8') as file:
            json.dump({'toolchain': toolchain, 'instructions': count_all()}, file, indent=2)
            file.write('\n')
        return 0
    expected = read_expected(EXPECTED)
    if toolchain != expected['toolchain']:
        for name, version in toolchain.items():
            if version != expected['toolchain'].get(name):
                print(f"# {name} is {version}, and was {expected['toolchain'].get(name)}")
        return OTHER_TOOLCHAIN
    return 0 if compare(count_all(), expected['instructions'], 'expected') else 1


sys.exit(main())
