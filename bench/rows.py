# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The rows of the table of "make bench": which figure is in which row, what it is beside, and its goal.
# Figures are what the programs print, by their id; a figure has a value, the lowest and the highest round,
# and with a control the control and the ratio to it, both of the same rounds.

from collections import namedtuple

# number: of the row; figure: id of what is shown; unit, scale: of what is shown; control: what the control
# is, None without one; goal: in words; judge: a function of all figures that tells whether the goal is
# reached, None for what is only shown
Row = namedtuple('Row', 'number name figure unit scale control goal judge')

SIZES = {100: '100 B', 1000: '1 KB', 10000: '10 KB', 100000: '100 KB', 1000000: '1 MB', 10000000: '10 MB'}
GLIB = 'json-glib, twice'
SOUP = 'libsoup alone'


def at_most(figure, limit, field='value'):
    return lambda figures: figures[figure][field] <= limit


def at_least(figure, limit, field='value'):
    return lambda figures: figures[figure][field] >= limit


def small_node(figures):
    node = figures['node-cpu/100']
    return node['value'] <= figures['ready-cpu/100']['value'] + node['control'] / 3


def record(name):
    """At most 1 ms for 100 kB, whatever is hidden for that."""
    return lambda figures: figures[f'record/{name}']['value'] <= 1.05


def make_rows():
    rows = []

    def add(number, name, figure, unit, goal='', judge=None, control=None, scale=1.0):
        rows.append(Row(number, name, figure, unit, scale, control, goal, judge))

    # 1: the caller, ready JSON
    for size in (100, 1000, 10000, 100000):
        add(1, f'caller, ready JSON, {SIZES[size]}', f'instructions/ready-{size}', 'instructions',
            '≤ 1,500', at_most(f'instructions/ready-{size}', 1500))
    add(1, 'the largest of these, to the smallest', 'flat', '×', '≤ 1.05', at_most('flat', 1.05))
    for size in (100, 1000, 10000):
        add(1, f'caller, ready JSON, {SIZES[size]}, p50', f'ready-p50/{size}', 'µs', '≤ 0.25',
            at_most(f'ready-p50/{size}', 250), scale=1e-3)
    # 2: the caller, nodes
    add(2, 'caller, JsonNode, 100 B', 'node-cpu/100', 'µs', '≤ ready + ⅓ of control', small_node, GLIB, 1e-3)
    for size in (1000, 10000, 100000, 1000000):
        add(2, f'caller, JsonNode, {SIZES[size]}', f'node-cpu/{size}', 'µs', '≤ ⅓ × control',
            at_most(f'node-cpu/{size}', 1 / 3, 'ratio'), GLIB, 1e-3)
    add(2, 'caller, JsonNode, 1 KB', 'instructions/node-1000', 'instructions', '≤ 20,000',
        at_most('instructions/node-1000', 20000))
    # 3: paced
    add(3, 'caller, 1000 pairs/s, 1 KB, p99', 'paced-p99', 'µs', '≤ 1.5 × control',
        at_most('paced-p99', 1.5, 'ratio'), 'four mallocs and a lock', 1e-3)
    # 4: unsampled
    add(4, 'pair that is not sampled', 'unsampled-cpu', 'ns', '≤ 60', at_most('unsampled-cpu', 60))
    add(4, 'pair that is not sampled', 'instructions/unsampled-1000', 'instructions', '≤ 400',
        at_most('instructions/unsampled-1000', 400))
    # 5: CPU of a delivered run
    for size in (100, 1000, 10000):
        add(5, f'CPU per run, ready JSON, {SIZES[size]}', f'run-cpu/ready/{size}', 'µs', '≤ 1.25 × control',
            at_most(f'run-cpu/ready/{size}', 1.25, 'ratio'), SOUP)
        add(5, f'CPU per run, JsonNode, {SIZES[size]}', f'run-cpu/node/{size}', 'µs', '≤ 1 × control',
            at_most(f'run-cpu/node/{size}', 1, 'ratio'), '1.25 × libsoup + writing')
        add(5, f'… writing alone, {SIZES[size]}', f'run-cpu/writing/{size}', 'µs')
        add(5, f'… raw socket, {SIZES[size]}', f'run-cpu/raw/{size}', 'µs', control=SOUP)
        add(5, f'… the sink, {SIZES[size]}', f'sink-cpu/ready/{size}', 'µs')
    # 6: runs per second
    for size in (100, 1000, 10000):
        add(6, f'runs/s, one producer, {SIZES[size]}', f'rate/ready/{size}', '/s', '≥ 0.8 × control',
            at_least(f'rate/ready/{size}', 0.8, 'ratio'), SOUP)
    # 7: a slow service
    for n, limit in ((4, 0.95), (16, 0.9)):
        add(7, f'runs/s, answers after 50 ms, {n} in flight', f'slow-rate/{n}', '/s', f'≥ {limit} × control',
            at_least(f'slow-rate/{n}', limit, 'ratio'), SOUP)
    # 8: requests and connections
    for n in (1, 4):
        add(8, f'requests per 1000 short runs, {n} in flight', f'requests/{n}', '', '≤ 11',
            at_most(f'requests/{n}', 11))
        add(8, f'connections, {n} in flight', f'connections/{n}', '', f'≤ {n}', at_most(f'connections/{n}', n))
    # 9: redaction
    for name, text in (('simple', 'simple rule'), ('email', 'rule for e-mail')):
        for size in (1000, 10000, 100000):
            add(9, f'{text} without a match, {SIZES[size]}', f'match/{name}/{size}', 'µs', '≤ 1.5 × control',
                at_most(f'match/{name}/{size}', 1.5, 'ratio'), 'the bare match', 1e-3)
    for size in (1000, 10000, 100000):
        add(9, f'… simple rule, in JSON with escapes, {SIZES[size]}', f'match/simple-in-json/{size}', 'µs', '', None,
            'the bare match', 1e-3)
    for name, text in (('strings', '500 B'), ('small-strings', '40 B')):
        add(9, f'exponential rule, 100 KB of strings of {text}', f'record/{name}', 'ms', '≤ 1',
            record(name))
        add(9, '… strings that are hidden, in all rounds', f'record-closed/{name}', '')
    # 10: flood
    add(10, 'flood, 10 × capacity, 4 threads, p99', 'flood-p99', 'µs', '≤ 3 × control',
        at_most('flood-p99', 3, 'ratio'), 'four mallocs and a lock', 1e-3)
    add(10, '… records that are not in the books', 'flood-lost', '', '0', at_most('flood-lost', 0))
    add(10, '… growth of the memory in the second half', 'flood-growth', '%', '≤ 5', at_most('flood-growth', 5))
    # 11: mallocs and locks
    for name, text, mallocs, locks in (('ready', 'ready JSON', 0, 1), ('node', 'JsonNode', 1, 1),
                                       ('notes', 'with nine notes', 6, 2)):
        add(11, f'mallocs per pair, {text}', f'mallocs/{name}', '', f'≤ {mallocs}',
            at_most(f'mallocs/{name}', mallocs + 0.05))
        add(11, f'locks per pair, {text}', f'locks/{name}', '', f'≤ {locks}',
            at_most(f'locks/{name}', locks + 0.05))
    # 12: idle
    add(12, 'threads before the first run', 'idle-threads', '', '0', at_most('idle-threads', 0))
    add(12, 'wake-ups in 3 s without a run', 'idle-wakes', '', '0', at_most('idle-wakes', 0))
    # 13: growth
    for name, text, limit in (('runs', 'CPU with the number of runs', 1.05),
                              ('ready-size', 'caller, ready JSON, with the size', 0.15),
                              ('node-size', 'caller, JsonNode, with the size', 1.05),
                              ('threads', 'CPU of a pair with the threads', 0.3),
                              ('depth', 'CPU per byte of text with the depth', 0.1),
                              ('width', 'CPU with the children of a run', 1.05),
                              ('metadata', 'CPU with the metadata of a run', 1.1),
                              ('tags', 'CPU with the tags of a run', 1.1)):
        add(13, f'exponent: {text}', f'growth/{name}', '', f'≤ {limit}', at_most(f'growth/{name}', limit))
    # 14: compression
    add(14, 'zstd, ratio', 'zstd-ratio', '×', '≥ 3', at_least('zstd-ratio', 3))
    add(14, 'zstd, more CPU per 1 KB run', 'zstd-cpu', 'µs', '≤ 4', at_most('zstd-cpu', 4))
    return rows


ROWS = make_rows()
