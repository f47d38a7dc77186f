# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parts of a program that are a run, or that have a run around them."""

import sys

from ._ends import end_run
from ._observers import check_observer, get_default_observer, get_off_run
from ._places import Options, Place, find_owner, find_place, get_current_run, get_options
from ._starts import Notes, check_notes, check_run_type
from ._typelib import Lsobs


def choose_observer():
    """That of the innermost run around the caller that is known to have one, or the default one."""
    place = find_place()
    while place is not None:
        if place.observer is not None and not place.is_off:
            return place.observer
        place = place.around
    return get_default_observer()


class Block:
    """The `with` block of a run, which may be async."""

    def __init__(self, observer, name, inputs=None, run_type=None, tags=(), metadata=None,
                 thread_id=None):
        check_observer(observer)
        if not isinstance(inputs, Lsobs.RunType):
            check_run_type(run_type)
        self.observer = observer
        self.start_arguments = (name, inputs, run_type)
        self.notes = Notes(tags, metadata, thread_id)
        self.run = None
        self.place = None

    def start(self, frame, is_in_generator):
        if self.run is not None:
            raise RuntimeError('the block of a run is entered once')
        if self.observer is None:
            self.observer = choose_observer()
        self.run = self.observer.start_nested_run(*self.start_arguments)
        self.notes.annotate(self.run)
        self.place = Place(self.run, self.observer, frame, is_in_generator, get_options())
        self.place.open()
        return self.run

    def end(self, problem):
        self.place.close()
        # the block may have ended it
        end_run(self.run, problem, self.run.outputs)

    def __enter__(self):
        return self.start(*find_owner(sys._getframe(1)))

    def __exit__(self, _kind, problem, _traceback):
        self.end(problem)
        return False

    async def __aenter__(self):
        return self.start(*find_owner(sys._getframe(1)))

    async def __aexit__(self, _kind, problem, _traceback):
        self.end(problem)
        return False


def run(name, inputs=None, run_type=None, tags=(), metadata=None, thread_id=None):
    """As Lsobs.Observer.run(), with the observer of the run around the block, or else the one that
    get_default_observer() returns.
    """
    return Block(None, name, inputs, run_type, tags, metadata, thread_id)


def start_run(name, inputs=None, run_type=None, tags=(), metadata=None, thread_id=None, project=None):
    """As Lsobs.Observer.start_run(), with the observer that run() takes."""
    return choose_observer().start_run(name, inputs, run_type, tags, metadata, thread_id, project)


def trace_message(message, body=None, parent=None):
    """As Lsobs.Observer.trace_message(), with the observer that run() takes."""
    return choose_observer().trace_message(message, body, parent)


class TracingContext:
    """The `with` block that tracing_context() is for."""

    def __init__(self, parent, project, tags, metadata, enabled):
        self.parent = parent
        self.project = project
        self.tags, self.metadata = check_notes(tags, metadata)
        self.enabled = enabled
        # of the blocks that are open: it may be entered again
        self.places = []

    def make_options(self, around):
        outer = around.options if around is not None and around.options is not None else Options()
        return Options(self.project if self.project is not None else outer.project,
                       outer.tags + self.tags, {**outer.metadata, **self.metadata})

    def find_run(self, around):
        """The run to start others below, its observer, and whether that is off."""
        if self.enabled is False:
            return get_off_run(), None, True
        if isinstance(self.parent, Lsobs.Run):
            return self.parent, None, False
        if self.parent is False:
            return None, None, False
        while self.enabled is True and around is not None and around.is_off:
            around = around.around
        if around is None:
            # C may have pushed one
            return get_current_run() if self.enabled is None else None, None, False
        return around.run, around.observer, around.is_off

    def enter(self, frame, is_in_generator):
        around = find_place()
        current, observer, is_off = self.find_run(around)
        place = Place(current, observer, frame, is_in_generator, self.make_options(around), is_off)
        if self.parent is None and self.enabled is None and around is not None:
            # what C has pushed since is still the more recent
            place.serial = around.serial
        self.places.append(place)
        place.open()

    def leave(self):
        self.places.pop().close()
        return False

    def __enter__(self):
        self.enter(*find_owner(sys._getframe(1)))

    def __exit__(self, *_problem):
        return self.leave()

    async def __aenter__(self):
        self.enter(*find_owner(sys._getframe(1)))

    async def __aexit__(self, *_problem):
        return self.leave()


def tracing_context(*, parent=None, project=None, tags=(), metadata=None, enabled=None):
    """A `with` block that says how runs are started in it.

    parent: an Lsobs.Run, which becomes the current run; False for none, so that runs are roots.
    project: where the traces go that begin in the block, in C, too, if not to the project of the
    observer.
    tags, metadata: given to each run that Python starts in the block.
    enabled: False leaves out what is started in the block, in C, too; True undoes that of an outer
    block. An observer whose tracing is off is not turned on by it.
    """
    if not (parent is None or parent is False or isinstance(parent, Lsobs.Run)):
        raise TypeError(f'parent is an Lsobs.Run, False or None, not {type(parent).__name__}')
    if project is not None and not isinstance(project, str):
        raise TypeError(f'project is a text, not {type(project).__name__}')
    if enabled not in (None, True, False):
        raise TypeError(f'enabled is True, False or None, not {type(enabled).__name__}')
    return TracingContext(parent, project, tags, metadata, enabled)
