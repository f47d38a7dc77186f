# SPDX-License-Identifier: LGPL-2.1-or-later
"""How runs are started with plain values."""

from gi.repository import GLib

from ._typelib import Lsobs
from ._values import clean, to_node, to_payload

RUN_TYPES = {kind.value_nick: kind for kind in (
    Lsobs.RunType.CHAIN, Lsobs.RunType.LLM, Lsobs.RunType.TOOL, Lsobs.RunType.RETRIEVER,
    Lsobs.RunType.EMBEDDING, Lsobs.RunType.PROMPT, Lsobs.RunType.PARSER)}


def check_run_type(run_type):
    if run_type is not None and not isinstance(run_type, (str, int)):
        raise TypeError(f'run_type is a word or an Lsobs.RunType, not {type(run_type).__name__}')


def check_notes(tags, metadata):
    """The tags as a tuple, and the metadata as a dict."""
    tags = (tags,) if isinstance(tags, str) else tuple(tags or ())
    if metadata is not None and not hasattr(metadata, 'items'):
        raise TypeError(f'metadata is a dict, not {type(metadata).__name__}')
    return tags, dict(metadata.items()) if metadata is not None else {}


class Notes:
    """What a start takes besides name, inputs and type; a mistake is told before anything starts."""

    __slots__ = ('tags', 'metadata', 'thread_id')

    def __init__(self, tags=(), metadata=None, thread_id=None):
        self.tags, self.metadata = check_notes(tags, metadata)
        if thread_id is not None and not isinstance(thread_id, str):
            raise TypeError(f'thread_id is a text, not {type(thread_id).__name__}')
        self.thread_id = thread_id

    def annotate(self, run):
        for tag in self.tags:
            run.add_tag(tag)
        for key, value in self.metadata.items():
            run.set_metadata(key, value)
        if self.thread_id:
            run.set_thread_id(clean(self.thread_id))


def start(by_node, by_bytes, by_kind, is_sent, name, inputs, run_type):
    """Start a run by one of three functions of the C API, which take (name, type, inputs)."""
    if isinstance(inputs, Lsobs.RunType):
        # the order of the C API
        inputs, run_type = run_type, inputs
    check_run_type(run_type)
    if not is_sent:
        # what is not sent is not looked at
        inputs = None
    if isinstance(name, str):
        name = clean(name)
    if run_type is None:
        run_type = Lsobs.RunType.CHAIN
    elif isinstance(run_type, str) and run_type not in RUN_TYPES:
        return by_kind(name, clean(run_type), to_node(inputs))
    elif isinstance(run_type, str):
        run_type = RUN_TYPES[run_type]
    payload = to_payload(inputs)
    if isinstance(payload, GLib.Bytes):
        return by_bytes(name, run_type, payload)
    return by_node(name, run_type, payload)
