# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions that are runs, and functions that have a run around them."""

import functools
import inspect
import sys

from gi.repository import GLib, Json

from ._blocks import Block
from ._ends import is_end, to_error
from ._observers import check_observer
from ._places import Place, current_place, find_place, get_current_run
from ._starts import check_notes, check_run_type
from ._typelib import Lsobs
from ._values import to_text

# What is kept of the items of a generator: the first ones, as they were.
MAX_ITEMS = 1000
MAX_ITEM_BYTES = 4 * 1024 * 1024


def find_code(function):
    """The function of Python that a callable object calls in the end."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return getattr(type(function), '__call__', function)


def is_async(function):
    return inspect.iscoroutinefunction(find_code(function))


# --- functions with a run around them --------------------------------------------------------------

async def await_in_place(make_place, function, arguments, keywords):
    place = make_place(sys._getframe())
    place.open()
    try:
        return await function(*arguments, **keywords)
    finally:
        place.close()


def call_in_place(make_place, function, arguments, keywords):
    """Call a function with a place around it, or give a coroutine that awaits it so, or a generator
    that has it around each of its steps.
    """
    follow = find_follower(function)
    if follow is not None:
        return follow(function, lambda _arguments, _keywords, frame: Steps(make_place, frame))(
            *arguments, **keywords)
    if is_async(function):
        return await_in_place(make_place, function, arguments, keywords)
    place = make_place(sys._getframe())
    place.open()
    try:
        return function(*arguments, **keywords)
    finally:
        place.close()


def copy_name(function):
    """A decorator that lets a function look like another callable object."""
    if inspect.isroutine(function):
        return functools.wraps(function)
    # the attributes of an object are its state
    return functools.wraps(function, updated=())


def bind(function, run=None):
    """A function that calls another one with the current run of this moment around it, or with `run`,
    wherever and whenever that is: in a thread, an executor, an idle source or a callback.

    What tracing_context() has set around the caller goes along. An async function gives an async
    one, and a function that is a generator, be it async, gives one that has the run around each step,
    but not around what its consumer does in between. The run does not end by the call.
    """
    if not callable(function):
        raise TypeError(f'bind() takes a function, not {type(function).__name__}')
    if run is not None and not isinstance(run, Lsobs.Run):
        raise TypeError(f'run is an Lsobs.Run or None, not {type(run).__name__}')
    around = find_place()
    observer = around.observer if around is not None and run is None else None
    options = around.options if around is not None else None
    is_off = around is not None and run is None and around.is_off
    run = run if run is not None else get_current_run()

    def make_place(frame):
        return Place(run, observer, frame, options=options, is_off=is_off)

    follow = find_follower(function)
    if follow is not None:
        return follow(function, lambda _arguments, _keywords, frame: Steps(make_place, frame))

    if is_async(function):
        @copy_name(function)
        async def bound_function(*arguments, **keywords):
            return await await_in_place(make_place, function, arguments, keywords)
    else:
        @copy_name(function)
        def bound_function(*arguments, **keywords):
            return call_in_place(make_place, function, arguments, keywords)

    return bound_function


# --- generators ------------------------------------------------------------------------------------

class Steps:
    """A place that is around each of the steps of a generator, but not around what its consumer does
    in between.
    """

    def __init__(self, make_place, frame):
        self.make_place = make_place
        self.frame = frame
        self.place = None
        self.inside = None
        self.outside = None

    def open(self):
        """Open the place before the first step."""
        self.place = self.make_place(self.frame)
        self.place.open()

    def __enter__(self):
        self.outside = current_place.get()
        if self.place is None:
            self.open()
        else:
            self.renew()
            current_place.set(self.inside)

    def __exit__(self, *_problem):
        self.inside = current_place.get()
        current_place.set(self.outside)
        return False

    def renew(self):
        """What C has pushed between two steps is not more recent than what is open inside."""
        serial = Lsobs.Run.get_context_serial()
        place = self.inside
        while place is not None:
            place.serial = serial
            if place is self.place:
                break
            place = place.around

    def take(self, item):
        """Called with each item."""

    def end(self, problem=None):  # pylint: disable=unused-argument
        """Called at the end, or if the generator fails or is closed."""
        if self.place is not None:
            self.place.close()


def follow_generator(function, make_steps):
    """A function like a generator, with the steps that MAKE_STEPS gives for its arguments."""
    @copy_name(function)
    def traced_function(*arguments, **keywords):
        steps = make_steps(arguments, keywords, sys._getframe())
        try:
            with steps:
                generator = function(*arguments, **keywords)
                item = next(generator)
            while True:
                steps.take(item)
                try:
                    resume = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with steps:
                        generator.close()
                    raise
                except BaseException as problem:  # pylint: disable=broad-except
                    resume = functools.partial(generator.throw, problem)
                with steps:
                    item = resume()
        except StopIteration as end:
            steps.end()
            return end.value
        except BaseException as problem:
            # a GeneratorExit says that its consumer has had enough
            steps.end(problem)
            raise

    return traced_function


def follow_async_generator(function, make_steps):
    @copy_name(function)
    async def traced_function(*arguments, **keywords):
        steps = make_steps(arguments, keywords, sys._getframe())
        try:
            with steps:
                generator = function(*arguments, **keywords)
                item = await generator.__anext__()
            while True:
                steps.take(item)
                try:
                    resume = functools.partial(generator.asend, (yield item))
                except GeneratorExit:
                    with steps:
                        await generator.aclose()
                    raise
                except BaseException as problem:  # pylint: disable=broad-except
                    resume = functools.partial(generator.athrow, problem)
                with steps:
                    item = await resume()
        except StopAsyncIteration:
            steps.end()
        except BaseException as problem:
            # a GeneratorExit says that its consumer has had enough
            steps.end(problem)
            raise

    return traced_function


def find_follower(function):
    """What follows the steps of a function; None if it is no generator."""
    code = find_code(function)
    if inspect.isgeneratorfunction(code):
        return follow_generator
    if inspect.isasyncgenfunction(code):
        return follow_async_generator
    return None


# --- functions that are runs -----------------------------------------------------------------------

class Stream(Steps):
    """The run of a generator, which is around its steps and takes its items."""

    def __init__(self, block, frame):
        super().__init__(None, frame)
        self.block = block
        self.items = []
        self.n_bytes = 0
        self.n_left_out = 0

    def open(self):
        self.block.start(self.frame, False)
        self.place = self.block.place

    def take(self, item):
        if not self.block.run.is_sampled():
            return
        if self.n_left_out == 0 and len(self.items) < MAX_ITEMS:
            if isinstance(item, Json.Node):
                text = Json.to_string(item, False).encode('utf-8')
            else:
                text = to_text(item)
            if self.n_bytes + len(text) <= MAX_ITEM_BYTES:
                self.items.append(text)
                self.n_bytes += len(text)
                return
        self.n_left_out += 1

    def end(self, problem=None):
        """End the run with the items, unless the program has set its outputs."""
        run = self.block.run
        if run is None:
            # it has not even begun
            return
        if run.outputs is None and run.get_status() == Lsobs.RunStatus.RUNNING:
            if self.n_left_out > 0:
                run.set_metadata('items_left_out', self.n_left_out)
            payload = GLib.Bytes.new(b'[' + b','.join(self.items) + b']')
            if problem is None or is_end(problem):
                run.end_bytes(payload)
            elif self.items:
                run.fail_with_outputs_bytes(to_error(problem), payload)
        self.block.end(problem)


def get_arguments(signature, arguments, keywords):
    """The arguments by their names; None if they do not fit, which the call itself will tell,
    and if there are no names.
    """
    if signature is None:
        return None
    try:
        bound = dict(signature.bind(*arguments, **keywords).arguments)
    except TypeError:
        return None
    for name in ('self', 'cls'):
        if next(iter(bound), None) == name:
            del bound[name]
    return bound


def trace_descriptor(function, trace):
    """What a class makes of a function, with the function traced; None if it is no such thing."""
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(trace(function.__func__))
    if isinstance(function, property):
        getter = trace(function.fget) if function.fget is not None else None
        return type(function)(getter, function.fset, function.fdel, function.__doc__)
    if isinstance(function, functools.cached_property):
        return type(function)(trace(function.func))
    if isinstance(function, functools.partialmethod):
        return functools.partialmethod(trace(function.func), *function.args, **function.keywords)
    return None


def trace_function(function, observer, name, options):
    descriptor = trace_descriptor(
        function, lambda inner: trace_function(inner, observer, name, options))
    if descriptor is not None:
        return descriptor
    if not callable(function):
        raise TypeError(f'traced is for functions, not for {type(function).__name__}')
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # a function in C may have none that Python knows
        signature = None
    if not name:
        inner = function.func if isinstance(function, functools.partial) else function
        name = getattr(inner, '__name__', None) or type(inner).__name__

    def start_block(arguments, keywords):
        return Block(observer, name, get_arguments(signature, arguments, keywords), **options)

    follow = find_follower(function)
    if follow is not None:
        return follow(function, lambda arguments, keywords, frame:
                      Stream(start_block(arguments, keywords), frame))
    if is_async(function):
        @copy_name(function)
        async def traced_function(*arguments, **keywords):
            with start_block(arguments, keywords) as run:
                value = await function(*arguments, **keywords)
                if run.outputs is None:
                    run.outputs = value
                return value
    else:
        @copy_name(function)
        def traced_function(*arguments, **keywords):
            with start_block(arguments, keywords) as run:
                value = function(*arguments, **keywords)
                if run.outputs is None:
                    run.outputs = value
                return value

    return traced_function


def make_decorator(function, observer, name, run_type, tags, metadata):
    check_observer(observer)
    check_run_type(run_type)
    tags, metadata = check_notes(tags, metadata)
    options = {'run_type': run_type, 'tags': tags, 'metadata': metadata}
    if function is None:
        return lambda function: trace_function(function, observer, name, options)
    return trace_function(function, observer, name, options)


def traced(function=None, *, observer=None, name=None, run_type=None, tags=(), metadata=None):
    """Decorate a function, be it async: each call is a run with its arguments and its value.

    Used as @Lsobs.traced or @Lsobs.traced(run_type='tool'). Without an observer, the one of the run
    around the call is taken, or else the one that get_default_observer() returns. An observer may
    also be the first argument.

    The run of a generator begins with its first step and lasts until it is exhausted, closed
    or failed; its value is the list of the first 1000 items, or fewer if they have more than
    4 MiB as JSON, and the metadata `items_left_out` tells how many more there were.

    A static method, a class method and a property may be decorated as well as the function in it.
    """
    if isinstance(function, Lsobs.Observer):
        function, observer = None, function
    return make_decorator(function, observer, name, run_type, tags, metadata)
