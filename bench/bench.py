#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Measures, and prints one table: each figure beside its control, which is measured in the same run, its
# goal, and whether it is reached. "make bench" and "make bench-long" run it in the folder of the build.
#
#   bench.py [--long] [--rows=1,2,5] [--json[=FILE]]
#
# --json   prints the figures and the rows as JSON, or writes them to FILE beside the table

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time

import instructions
from rows import ROWS

# Each program with its arguments, and the rows whose figures it prints.
PROGRAMS = [
    ('caller', [], {1, 2, 4}),
    ('counts', [], {11}),
    ('paced', [], {3}),
    ('match', [], {9}),
    ('delivery', ['cost'], {5, 6}),
    ('delivery', ['slow'], {7}),
    ('delivery', ['zstd'], {14}),
    ('requests', [], {8, 12}),
    ('flood', [], {10}),
    ('growth', [], {13}),
]
KINDS_OF_ROW = {1: ['ready-100', 'ready-1000', 'ready-10000', 'ready-100000'], 2: ['node-1000'],
                4: ['unsampled-1000']}


def tell(text):
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)


class Figures:
    """The figures by their id, and why others are missing, by row."""

    def __init__(self):
        self.figures = {}
        self.why_not = {}
        self.has_failed = False

    def run_program(self, name, arguments, rows, environment):
        tell(f'bench/{name} {" ".join(arguments)}')
        done = subprocess.run([f'bench/{name}', *arguments], env=environment, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            figure = json.loads(line)
            self.figures[figure.pop('id')] = figure
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            self.has_failed = True
            for row in rows:
                self.why_not[row] = f'bench/{name} has failed: {words[-1] if words else done.returncode}'

    def count_instructions(self, rows):
        why = instructions.why_not()
        for row in rows & KINDS_OF_ROW.keys():
            if why is not None:
                self.why_not[row] = why
                continue
            for kind in KINDS_OF_ROW[row]:
                tell(f'callgrind: {kind}')
                self.figures[f'instructions/{kind}'] = {'value': instructions.count_pair(kind)}
        counts = [self.figures[f'instructions/{kind}']['value'] for kind in KINDS_OF_ROW[1]
                  if f'instructions/{kind}' in self.figures]
        if len(counts) == len(KINDS_OF_ROW[1]):
            self.figures['flat'] = {'value': max(counts) / min(counts)}

    def judge(self, row):
        """Returns 'ok', 'over', '' for what is only shown, or why it is not measured."""
        if row.figure not in self.figures:
            return f"not measured: {self.why_not.get(row.number, 'its program printed no such figure')}"
        if row.judge is None:
            return ''
        return 'ok' if row.judge(self.figures) else 'over'


def show(value):
    if value is None:
        return ''
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    if abs(value) >= 100 or value == int(value):
        return f'{value:.0f}'
    return f'{value:.3g}'


def make_result(figures, wanted):
    rows = []
    for row in ROWS:
        if row.number not in wanted:
            continue
        figure = figures.figures.get(row.figure, {})
        scaled = {key: figure[key] * row.scale for key in ('value', 'low', 'high', 'control') if key in figure}
        if row.control is None:
            scaled.pop('control', None)
        rows.append({'row': row.number, 'name': row.name, 'figure': row.figure, 'unit': row.unit, **scaled,
                     **({'ratio': figure['ratio'], 'control_name': row.control}
                        if row.control is not None and 'ratio' in figure else {}),
                     'goal': row.goal, 'verdict': figures.judge(row)})
    return rows


def print_table(rows):
    lines = [('', 'figure', 'median', 'rounds', 'control', '', 'ratio', 'goal', '')]
    last = None
    for row in rows:
        spread = f"{show(row['low'])} … {show(row['high'])}" if 'low' in row else ''
        value = f"{show(row['value'])} {row['unit']}".strip() if 'value' in row else ''
        lines.append((str(row['row']) if row['row'] != last else '', row['name'], value, spread,
                      show(row.get('control')), row.get('control_name', ''), show(row.get('ratio')),
                      row['goal'], row['verdict']))
        last = row['row']
    widths = [max(len(line[i]) for line in lines) for i in range(8)]
    right = {0, 2, 3, 4, 6}
    for line in lines:
        cells = [line[i].rjust(widths[i]) if i in right else line[i].ljust(widths[i]) for i in range(8)]
        print(('  '.join(cells) + '  ' + line[8]).rstrip())


def describe_machine():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    return {'cores': os.cpu_count(), 'processor': model.group(1) if model else platform.machine(),
            'system': platform.freedesktop_os_release().get('PRETTY_NAME', platform.system()),
            'load': os.getloadavg()[0], 'checks_locks': checks_locks()}


def checks_locks():
    with open('config.h', encoding='utf-8') as file:
        return '#define LSOBS_CHECK_LOCKS 1' in file.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--long', action='store_true', help='the long axes, too')
    parser.add_argument('--rows', help='only these, with commas')
    parser.add_argument('--json', nargs='?', const='-', metavar='FILE')
    options = parser.parse_args()
    wanted = {row.number for row in ROWS}
    if options.rows:
        wanted &= {int(number) for number in options.rows.split(',')}
    machine = describe_machine()
    figures = Figures()
    environment = instructions.clean_environment()
    start = time.monotonic()
    for name, arguments, rows in PROGRAMS:
        if rows & wanted:
            figures.run_program(name, [*arguments, *(['--long'] if options.long and name == 'growth' else [])],
                                rows, environment)
    figures.count_instructions(wanted)
    tell('')
    result = {'machine': machine, 'seconds': round(time.monotonic() - start),
              'memory': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
              'rows': make_result(figures, wanted),
              'figures': figures.figures}
    if options.json == '-':
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return figures.has_failed
    print_table(result['rows'])
    print(f"\n{machine['cores']} cores, {machine['system']}, load {machine['load']:.1f} at the start; "
          f"{result['seconds']} s, at most {result['memory']} MiB in a process")
    if machine['checks_locks']:
        print('The library checks the order of its locks here, which costs instructions: '
              '"./dev bench" measures one that does not.')
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(result, file, indent=1, ensure_ascii=False)
            file.write('\n')
    return figures.has_failed


sys.exit(main())
