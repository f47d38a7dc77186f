#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the override for Python takes to make JSON of a value, beside the json module. From the top of the
sources, after ./dev build:

  LD_LIBRARY_PATH=_build/lsobs/.libs GI_TYPELIB_PATH=_build/lsobs PYTHONPATH=bindings/python \\
    bench/python-values.py
"""

import dataclasses
import datetime
import json
import os
import sys
import time

os.environ.setdefault('LANGSMITH_TRACING', 'false')

import gi  # pylint: disable=wrong-import-position
gi.require_version('Lsobs', '1.0')
import gi.overrides  # pylint: disable=wrong-import-position
gi.overrides.__path__.insert(0, 'bindings/python/gi/overrides')
from gi.repository import GLib, Lsobs  # pylint: disable=wrong-import-position,no-name-in-module


@dataclasses.dataclass
class Account:
    user: str
    password: str


def measure(function, n_times=7):
    """The least processor time of a call, in seconds."""
    times = []
    for _ in range(n_times):
        begin = time.thread_time()
        function()
        times.append(time.thread_time() - begin)
    return min(times)


def main():
    config = Lsobs.Config.new('key', 'bench')
    observer = Lsobs.Observer.new_with_transport(config, Lsobs.MemoryTransport.new())
    data = bytes(1024 * 1024)
    variant = GLib.Variant('(a{sv})', ({'data': GLib.Variant.new_from_bytes(
        GLib.VariantType.new('ay'), GLib.Bytes.new(data), True)},))
    for name, value in (('1 MiB of bytes', data), ('1 MiB of bytes in a variant', variant)):
        seconds = measure(lambda value=value: observer.start_run('run', {'data': value}).end())
        print(f'{name:28} {seconds * 1000:8.3f} ms a run; the goal is 5 ms')
    messages = [{'role': 'user', 'content': 'words ' * 40, 'n': number, 'score': 0.5,
                 'parts': [{'type': 'text', 'text': 'more words'}]} for number in range(2000)]
    accounts = [Account('user', 'password') for _ in range(5000)]
    numbers = list(range(100000))
    times = [datetime.datetime(2026, 1, 1)] * 5000
    to_text = sys.modules['gi.overrides.Lsobs._values'].to_text
    for name, value, make_plain in (
            ('messages', messages, lambda: messages),
            ('dataclasses', accounts, lambda: [dataclasses.asdict(account) for account in accounts]),
            ('numbers', numbers, lambda: numbers),
            ('times', times, lambda: [moment.isoformat() for moment in times]),
            ('text', 'x' * 1000000, lambda: 'x' * 1000000)):
        own = measure(lambda value=value: to_text(value))
        plain = measure(lambda make_plain=make_plain: json.dumps(make_plain()))
        print(f'{name:28} {own * 1000:8.3f} ms, json.dumps() {plain * 1000:8.3f} ms, {own / plain:5.1f} times')


if __name__ == '__main__':
    main()
