#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Writes what "make bench-long" has measured into the guide and README, and draws the pictures of the guide
# with gnuplot. "make bench-docs" runs it.
#
#   docs.py [--pictures | --check] FIGURES SOURCE
#
# FIGURES is what bench.py --json has written, SOURCE the folder of the sources. With --pictures, only those
# are drawn. With --check, nothing is written: it fails if the guide or README say something else than FIGURES.

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
from xml.sax.saxutils import escape

GUIDE = 'docs/reference/guide-performance.xml'
IMAGES = 'docs/reference/images'
BEGIN = '<!-- bench/docs.py writes what follows -->'
END = '<!-- bench/docs.py has written what is above -->'
VERDICTS = {'ok': 'yes', 'over': 'no', '': ''}


def show(value):
    """At most three digits: others depend on the day."""
    if value is None:
        return ''
    if abs(value) >= 1000:
        digits = len(str(int(abs(value)))) - 3
        return f'{int(round(value, -digits)):,}'
    if abs(value) >= 100 or value == int(value):
        return f'{value:.0f}'
    return f'{value:.3g}' if abs(value) >= 0.01 else f'{value:.2f}'


def with_unit(row):
    return f"{show(row['value'])} {row['unit']}".strip().replace(' /s', '/s') if 'value' in row else ''


def control_of(row):
    return f"{show(row['control'])} ({row['control_name']})" if 'control' in row and 'control_name' in row else ''


def describe(machine):
    return f"a virtual machine with {machine['cores']} cores and {machine['system'].split(' (')[0]}, over loopback"


def make_table(result):
    lines = ['    <informaltable>', '      <tgroup cols="6">',
             '        <thead><row><entry>Row</entry><entry>Figure</entry><entry>Measured</entry>'
             '<entry>Control</entry><entry>Goal</entry><entry>Reached</entry></row></thead>',
             '        <tbody>']
    for row in result['rows']:
        verdict = VERDICTS.get(row['verdict'], row['verdict'])
        ratio = f", {show(row['ratio'])} ×" if 'ratio' in row else ''
        cells = [str(row['row']), row['name'], with_unit(row), control_of(row) + (ratio if control_of(row) else ''),
                 row['goal'], verdict]
        lines.append('          <row>' + ''.join(f'<entry>{escape(cell)}</entry>' for cell in cells) + '</row>')
    return '\n'.join(lines + ['        </tbody>', '      </tgroup>', '    </informaltable>'])


def make_guide(result):
    return f'''    <para>
      These are medians on {describe(result['machine'])}. The payloads are messages of a chat. Times differ by a
      factor of three between machines, and with their load; counts and ratios do not.
    </para>
{make_table(result)}
'''


def find_row(result, figure):
    return next(row for row in result['rows'] if row['figure'] == figure)


def make_readme(result):
    ready, node, run = (find_row(result, figure)
                        for figure in ('ready-p50/1000', 'node-cpu/1000', 'run-cpu/ready/1000'))
    text = f'''To record a run with 1 KB of JSON takes {with_unit(ready)} of the calling thread ({with_unit(node)} for a
`JsonNode`), and to deliver it {with_unit(run)} of processor time, about what libsoup alone needs ({show(run['control'])} µs). The
[guide](docs/reference/guide-performance.xml) has all figures; `./dev bench` measures them.'''
    return textwrap.fill(' '.join(text.split()), 100, break_long_words=False, break_on_hyphens=False) + '\n'


def replace(text, new, path):
    """Returns the text with what is between the two marks replaced."""
    found = re.search(re.escape(BEGIN) + r'\n.*?(?=[ ]*' + re.escape(END) + ')', text, re.DOTALL)
    if found is None:
        raise SystemExit(f'{path} does not have the lines {BEGIN} and {END}')
    return text[:found.start()] + BEGIN + '\n' + new + text[found.end():]


# --- pictures ---

def points(figures, axis, scale):
    """Returns lines of "X Y" for gnuplot."""
    prefix = f'point/{axis}/'
    found = sorted((int(key[len(prefix):]), figure['value'] * scale) for key, figure in figures.items()
                   if key.startswith(prefix))
    return '\n'.join(f'{x} {y}' for x, y in found)


def draw(path, settings, curves):
    """Each curve is its title and its points."""
    data = ''.join(f'$d{i} << END\n{lines}\nEND\n' for i, (_, lines) in enumerate(curves))
    plots = ', '.join(f'$d{i} using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.4 title "{title}"'
                      for i, (title, _) in enumerate(curves))
    script = f'''set terminal svg size 720,400 enhanced font "sans-serif,13" background "white"
set output "{path}"
set grid
set key outside top center horizontal
{settings}
{data}plot {plots}
'''
    subprocess.run(['gnuplot', '-'], input=script, text=True, check=True)


def draw_pictures(figures, folder):
    draw(os.path.join(folder, 'bench-size.svg'),
         'set logscale xy\nset xlabel "bytes of JSON, in and out each"\n'
         'set ylabel "µs in the thread that calls"\nset format x "10^{%T}"\nset format y "%g"',
         [('JSON-GLib, writing twice', points(figures, 'json-glib-size', 1e-3)),
          ('a run with JsonNodes', points(figures, 'node-size', 1e-3)),
          ('a run with ready JSON', points(figures, 'ready-size', 1e-3))])
    draw(os.path.join(folder, 'bench-threads.svg'),
         'set logscale x 2\nset yrange [0:*]\nset xlabel "threads that trace, on two cores"\n'
         'set ylabel "µs of processor time for a run"',
         [('a run with ready JSON', points(figures, 'threads', 1e-3)),
          ('four mallocs and a lock', points(figures, 'control-threads', 1e-3))])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('figures')
    parser.add_argument('source')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--pictures', action='store_true', help='only the pictures')
    options = parser.parse_args()
    with open(options.figures, encoding='utf-8') as file:
        result = json.load(file)
    if not options.check:
        draw_pictures(result['figures'], os.path.join(options.source, IMAGES))
    if options.pictures:
        return 0
    n_other = 0
    for name, make in ((GUIDE, make_guide), ('README', make_readme)):
        path = os.path.join(options.source, name)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        new = replace(text, make(result), path)
        if options.check:
            if new != text:
                print(f'{name} does not say what is in {options.figures}')
            n_other += new != text
        else:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(new)
    return 1 if n_other else 0


sys.exit(main())
