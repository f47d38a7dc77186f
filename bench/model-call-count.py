#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Counts the instructions of what bench/model-call measures, which does not depend on what the machine
# does beside. All threads count, as valgrind runs them; the record of a run is not sent meanwhile.
#
#   make bench/model-call && bench/model-call-count.py [--limits] [NAME ...]
#
# chunk  what one more chunk costs, and its ratio to that of a filter stream that does nothing
# call   the whole call with its request and its run, for answers of 100 kB; the ratio to parsing its JSON
#        with json-glib, event by event
# byte   instructions of the call per byte of its answer, for answers of 100 kB, 1 MB and 10 MB
#
# With --limits, it fails if a chunk costs more than 3 times the filter, or a call more than 1.5 times
# json-glib.

import re
import subprocess
import sys

STREAMS = ['openai-chat', 'openai-responses', 'anthropic', 'ollama', 'gemini']
PLAIN = ['openai-chat-plain', 'anthropic-plain', 'ollama-plain', 'gemini-plain']
SIZES = [100_000, 1_000_000, 10_000_000]
MAX_CHUNK = 3
MAX_CALL = 1.5


def count(part, name, size):
    """Returns the instructions, the bytes of the answer and its events."""
    run = subprocess.run(['./libtool', '--mode=execute', 'valgrind', '--tool=callgrind',
                          '--callgrind-out-file=/dev/null', '--toggle-collect=do_part', 'bench/model-call',
                          f'--once={part}', f'--size={size}', name],
                         capture_output=True, text=True, check=True)
    refs = re.search(r'refs: +([\d,]+)', run.stderr).group(1)
    n_bytes, n_events = re.search(r': (\d+) bytes, (\d+) events', run.stdout).groups()
    return int(refs.replace(',', '')), int(n_bytes), int(n_events)


def slope(part, name):
    few, many = count(part, name, SIZES[0]), count(part, name, 5 * SIZES[0])
    return (many[0] - few[0]) / (many[2] - few[2])


def main(arguments):
    names = [a for a in arguments if not a.startswith('--')] or STREAMS + PLAIN
    is_good = True
    print(f"{'':18} {'filter':>7} {'chunk':>7} {'ratio':>6} | {'json-glib':>10} {'call':>10} {'ratio':>6} | per byte")
    for name in names:
        line = f'{name:18}'
        if name in STREAMS:
            bare, traced = slope('filter', name), slope('call', name)
            is_good = is_good and traced <= MAX_CHUNK * bare
            line += f' {bare:7.0f} {traced:7.0f} {traced / bare:6.2f}'
        else:
            line += 23 * ' '
        parsed = count('parse', name, SIZES[0])[0]
        calls = [count('call', name, size) for size in SIZES]
        is_good = is_good and calls[0][0] <= MAX_CALL * parsed
        line += f' | {parsed:10} {calls[0][0]:10} {calls[0][0] / parsed:6.2f} |'
        line += ''.join(f' {n / n_bytes:6.2f}' for n, n_bytes, _ in calls)
        print(line, flush=True)
    return 0 if is_good or '--limits' not in arguments else 1


sys.exit(main(sys.argv[1:]))
