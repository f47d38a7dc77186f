# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the override for Python share."""

import json
import traceback

import gi

gi.require_version('Lsobs', '1.0')
gi.require_version('Json', '1.0')
# pylint: disable=wrong-import-position
from gi.repository import Json, Lsobs

TIMEOUT = 120000
NEVER = 3600000


def new_config():
    """Flushes on demand only: on a busy machine, the default interval may pass within a test."""
    config = Lsobs.Config.new('key', 'python')
    config.set_flush_interval(NEVER)
    # nor because there are many
    config.set_max_batch_size(1000)
    return config


def new_observer(config=None):
    transport = Lsobs.MemoryTransport.new()
    return Lsobs.Observer.new_with_transport(config or new_config(), transport), transport


def to_python(node):
    return json.loads(Json.to_string(node, False)) if node is not None else None


class Sent:
    """A run as it was sent, with plain values."""

    def __init__(self, event):
        self.id = event.get_id()
        self.parent_id = event.get_parent_id()
        self.name = event.get_name()
        self.type = event.get_run_type().value_nick
        self.inputs = to_python(event.get_inputs())
        self.outputs = to_python(event.get_outputs())
        self.error = event.get_error_text()
        self.tags = list(event.get_tags() or [])
        self.events = to_python(event.get_events()) or []
        self.project = event.get_project_name()
        self.extra = to_python(event.get_extra()) or {}
        self.metadata = self.extra.get('metadata', {})


def get_sent(observer, transport):
    """All runs, in the order of their ends."""
    assert observer.flush(TIMEOUT)[0]
    sent = [Sent(event) for event in transport.dup_events()]
    transport.clear()
    return sent


def get_named(observer, transport):
    """All runs by their names, of which there are no two alike."""
    sent = get_sent(observer, transport)
    named = {run.name: run for run in sent}
    assert len(named) == len(sent), [run.name for run in sent]
    return named


def assert_raises(kind, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except kind as problem:
        return problem
    raise AssertionError(f'no {kind.__name__} was raised')


def run_tests(tests):
    """Speaks TAP; returns whether a test has failed."""
    failed = False
    print(f'1..{len(tests)}', flush=True)
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} {test.__name__}', flush=True)
        except Exception:  # pylint: disable=broad-except
            print('# ' + traceback.format_exc().replace('\n', '\n# '))
            print(f'not ok {number} {test.__name__}', flush=True)
            failed = True
    return failed
