# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which run is the current one.

A place is what is around the code that runs: a `with` block, a decorated function, or another part
of the program that a run was made the current one for. Places are kept in a context variable, so
that each task of asyncio and each thread has its own. C asks for the current run by a function.

A block in a generator stays open while the consumer of the generator goes on, in the same context.
So the frame that has opened a block decides, where there is such a block: the current run is that
of the innermost frame of the stack that has a block open.
"""

import contextvars
import inspect
import sys
import threading
import weakref

from ._typelib import Lsobs
from ._values import clean

GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

# Modules that run a generator for a block of their caller: what the generator opens is meant to be
# open in the caller.
MANAGERS = frozenset(('contextlib', '_pytest.fixtures', 'pytest_asyncio.plugin'))

current_place = contextvars.ContextVar('lsobs_current_place', default=None)


class Options:
    """What a tracing_context() has set for the runs that are started in it."""

    __slots__ = ('project', 'tags', 'metadata')

    def __init__(self, project=None, tags=(), metadata=None):
        self.project = project
        self.tags = tags
        self.metadata = metadata or {}

    def annotate(self, run):
        for tag in self.tags:
            run.add_tag(tag)
        for key, value in self.metadata.items():
            run.set_metadata(key, value)


class Flow:
    """A thread, and the task of asyncio in it."""

    __slots__ = ('thread', 'task')

    def __init__(self):
        self.thread = threading.get_ident()
        self.task = None
        asyncio = sys.modules.get('asyncio')
        if asyncio is not None:
            try:
                self.task = weakref.ref(asyncio.current_task())
            except (AttributeError, RuntimeError, TypeError):
                # there is no loop, or no task
                pass

    def is_same(self, other):
        return self.thread == other.thread and self.task == other.task


class Place:
    """A run that is the current one somewhere; without a run, what is started there is a root."""

    __slots__ = ('run', 'observer', 'around', 'options', 'serial', 'frame', 'flow', 'is_open',
                 'is_in_generator', 'is_off')

    def __init__(self, run, observer, frame, is_in_generator=False, options=None, is_off=False):
        around = current_place.get()
        self.run = run
        # None for that of any
        self.observer = observer
        self.around = around
        self.options = options
        self.serial = Lsobs.Run.get_context_serial()
        # The address of the frame that it belongs to, which lives as long as the place is open.
        self.frame = id(frame)
        # Whether it, or a place around it, was opened in a generator.
        self.is_in_generator = is_in_generator or (around is not None and around.is_in_generator)
        self.flow = Flow() if self.is_in_generator else None
        self.is_open = True
        # Whether what is started here is left out.
        self.is_off = is_off

    def open(self):
        current_place.set(self)

    def close(self):
        self.is_open = False
        # not by a token: a generator may be closed in another context than its own
        if current_place.get() is self:
            current_place.set(self.around)


def find_owner(frame):
    """The frame that a block is open for, and whether that is a generator's."""
    while True:
        back = frame.f_back
        is_generator = bool(frame.f_code.co_flags & GENERATORS)
        is_managed = frame.f_globals.get('__name__') in MANAGERS or (
            is_generator and back is not None and back.f_globals.get('__name__') in MANAGERS)
        if not is_managed or back is None:
            return frame, is_generator
        frame = back


def find_by_stack(place):
    """The place of the innermost frame of the stack, where one was opened in a generator."""
    flow = Flow()
    frames = {}
    here = place
    while here is not None and here.is_in_generator:
        if here.is_open and here.flow.is_same(flow):
            frames.setdefault(here.frame, here)
        here = here.around
    frame = sys._getframe(2)
    while frame is not None:
        found = frames.get(id(frame))
        if found is not None:
            return found
        frame = frame.f_back
    # what a task or a thread was made in is around all of it
    while place is not None and place.is_in_generator and place.flow.is_same(flow):
        place = place.around
    return place


def find_place():
    place = current_place.get()
    if place is None or not place.is_in_generator:
        return place
    return find_by_stack(place)


def belongs(place, observer):
    return place.observer is None or place.is_off or place.observer == observer


def find_place_of(observer):
    """The innermost place for runs of an observer."""
    place = find_place()
    while place is not None and place.run is not None and not belongs(place, observer):
        place = place.around
    return place


def find_parent(observer):
    """The run of the innermost place for an observer, and whether that is certain: it is not where
    C has pushed a run, which may be more recent.
    """
    place = find_place_of(observer)
    run = place.run if place is not None else None
    return run, place is not None and place.serial == Lsobs.Run.get_context_serial()


def get_options():
    place = find_place()
    return place.options if place is not None else None


def tell_current_run(exporter, serial, *_data):
    """Called by C, in any thread: the current run, or None for what C itself has pushed."""
    try:
        place = find_place()
        while place is not None and place.run is not None and not (
                exporter is None or place.observer is None or place.is_off
                or place.observer.get_exporter() == exporter):
            place = place.around
        if place is None or serial > place.serial:
            return None
        return place.run
    except Exception:  # pylint: disable=broad-except
        # C goes on with what it has
        return None


def tell_root(*_data):
    """Called by C, in any thread that starts a root: its project, or None for that of the observer, and
    whether it is left out.
    """
    try:
        place = find_place()
        if place is None:
            return None, False
        project = place.options.project if place.options is not None else None
        return clean(project) if project else None, place.is_off
    except Exception:  # pylint: disable=broad-except
        # C goes on with what it has
        return None, False


def get_current_run():
    """The run of the innermost block or decorated function around the caller, or the one that C has
    pushed in this thread since; None if there is none.
    """
    place = find_place()
    run = place.run if place is not None else None
    if place is not None and place.serial == Lsobs.Run.get_context_serial():
        return run
    found = Lsobs.Run.ref_thread_default()
    # that of the block has what Python keeps with it
    return run if run is not None and found == run else found


def is_off():
    """Whether what is started here is left out."""
    place = find_place()
    return place is not None and place.is_off


Lsobs.Run.set_context_func(tell_current_run)
Lsobs.Run.set_root_context_func(tell_root)
