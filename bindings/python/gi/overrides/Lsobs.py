# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes lsobs feel at home in Python: PyGObject loads this along with the typelib.

    with observer.run('answer', {'question': '6*7'}) as run:
        with observer.run('model', run_type='llm') as call:
            call.outputs = {'text': '42'}
        run.outputs = {'answer': 42}

The whole of the C API stays as it is: a `Json.Node` is taken wherever a dict is.
"""

import atexit
import contextvars
import functools
import inspect
import json
import os
import sys

from gi.repository import GLib, Gio, Json

from ..module import get_introspection_module
from ..overrides import override

Lsobs = get_introspection_module('Lsobs')

__all__ = []

# How long a flush or a shutdown may wait, if the program does not say.
FLUSH_TIMEOUT_MS = 5000

# What is nested deeper is told as text. json-glib recurses, so this bounds its stack.
MAX_DEPTH = 100

INT64 = range(-2**63, 2**63)


def describe(value):
    """Any value as text; the value of somebody else's class may not even manage that."""
    try:
        return repr(value)
    except Exception as problem:  # pylint: disable=broad-except
        return f'<{type(value).__name__}: no text, {type(problem).__name__}>'


def to_plain(value, above=()):
    """What JSON knows; all else as text, and so are a cycle and what is too deep."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        # of the class int itself: a range looks for a member of an enum number by number
        number = int(value)
        return number if number in INT64 else str(number)
    if isinstance(value, float):
        return value if abs(value) < float('inf') else str(value)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        if len(above) >= MAX_DEPTH or id(value) in above:
            return f'<{type(value).__name__}>'
        above = above + (id(value),)
        if isinstance(value, dict):
            return {key if isinstance(key, str) else describe(key): to_plain(member, above)
                    for key, member in list(value.items())}
        return [to_plain(member, above) for member in list(value)]
    return describe(value)


def to_text(value):
    """The value as UTF-8 JSON. No value is refused, since tracing must not break a program."""
    try:
        text = json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False)
    except Exception:  # pylint: disable=broad-except
        text = json.dumps(describe(value), ensure_ascii=False)
    return text.encode('utf-8', 'replace')


def to_node(value):
    if value is None or isinstance(value, Json.Node):
        return value
    return Json.from_string(to_text(value).decode('utf-8'))


def to_payload(value):
    """As to_node(), but with the text left to the library, which need not parse it."""
    if value is None or isinstance(value, Json.Node):
        return value
    return GLib.Bytes.new(to_text(value))


def to_bytes(data):
    """What C takes for bytes, of bytes as Python has them."""
    if data is None or isinstance(data, GLib.Bytes):
        return data
    return GLib.Bytes.new(bytes(data))


def clean(text):
    """What C takes for a text, of whatever a program has for one."""
    text = text if isinstance(text, str) else describe(text)
    return text.encode('utf-8', 'replace').decode('utf-8').replace('\0', '\ufffd')


def get_problem_text(problem):
    """The type and the text of an exception."""
    try:
        text = str(problem)
    except Exception:  # pylint: disable=broad-except
        text = ''
    name = type(problem).__name__
    return clean(f'{name}: {text}' if text else name)


def to_error(problem):
    if isinstance(problem, GLib.Error):
        return problem
    return GLib.Error.new_literal(Gio.io_error_quark(), get_problem_text(problem),
                                  Gio.IOErrorEnum.FAILED)


RUN_TYPES = {kind.value_nick: kind for kind in (
    Lsobs.RunType.CHAIN, Lsobs.RunType.LLM, Lsobs.RunType.TOOL, Lsobs.RunType.RETRIEVER,
    Lsobs.RunType.EMBEDDING, Lsobs.RunType.PROMPT, Lsobs.RunType.PARSER)}


def start(by_node, by_bytes, by_kind, is_sent, name, inputs, run_type):
    if isinstance(inputs, Lsobs.RunType):
        # the order of the C API
        inputs, run_type = run_type, inputs
    if not is_sent:
        # what is not sent is not looked at
        inputs = None
    if isinstance(name, str):
        name = clean(name)
    if run_type is None:
        run_type = Lsobs.RunType.CHAIN
    elif isinstance(run_type, str) and run_type not in RUN_TYPES:
        return by_kind(name, run_type, to_node(inputs))
    elif isinstance(run_type, str):
        run_type = RUN_TYPES[run_type]
    elif not isinstance(run_type, int):
        raise TypeError(f'run_type is a word or an Lsobs.RunType, not {type(run_type).__name__}')
    payload = to_payload(inputs)
    if isinstance(payload, GLib.Bytes):
        return by_bytes(name, run_type, payload)
    return by_node(name, run_type, payload)


class Run(Lsobs.Run):
    """A run that takes plain values."""

    # What the end of the `with` block records.
    outputs = None

    def start_child(self, name, inputs=None, run_type=None):
        """Start a run below this one; the type is a word or an Lsobs.RunType."""
        return start(super().start_child, super().start_child_bytes, super().start_child_of_kind,
                     self.is_sampled(), name, inputs, run_type)

    def end(self, outputs=None):
        payload = to_payload(outputs) if self.is_sampled() else None
        if isinstance(payload, GLib.Bytes):
            super().end_bytes(payload)
        else:
            super().end(payload)

    def fail(self, error):
        """End the run with a GLib.Error or with any exception."""
        if isinstance(error, GLib.Error):
            super().fail(error)
        else:
            self.fail_with_exception(error)

    def fail_with_outputs(self, error, outputs=None):
        """End the run with a GLib.Error or with any exception, and with what had come out."""
        payload = to_payload(outputs) if self.is_sampled() else None
        if isinstance(payload, GLib.Bytes):
            super().fail_with_outputs_bytes(to_error(error), payload)
        else:
            super().fail_with_outputs(to_error(error), payload)

    def fail_with_exception(self, problem):
        """End the run with the type and the text of an exception."""
        self.fail_with_message(get_problem_text(problem))

    def wrap(self, function, *data):
        """Call a function with this run, which ends with it, or fails with what it raises.

        PyGObject passes on no exception through C but a GLib.Error.
        """
        try:
            with Pushed(self):
                function(self, *data)
        except BaseException as problem:
            if self.get_status() == Lsobs.RunStatus.RUNNING:
                self.fail(problem)
            raise
        if self.get_status() == Lsobs.RunStatus.RUNNING:
            self.end(self.outputs)
        return True

    def add_tag(self, tag):
        super().add_tag(clean(tag))

    def add_attachment(self, name, mime_type, data):
        """Attach a file, as bytes or GLib.Bytes."""
        return super().add_attachment(name, mime_type, to_bytes(data))

    def add_feedback(self, key, score, comment=None):
        return super().add_feedback(key, score, comment)

    def set_metadata(self, key, value):
        super().set_metadata(clean(key), to_node(value))

    def set_extra(self, key, value):
        super().set_extra(clean(key), to_node(value))

    def add_event(self, name, details=None):
        super().add_event(name, to_node(details))

    def set_serialized(self, serialized):
        super().set_serialized(to_node(serialized))

    def set_invocation_params(self, params):
        super().set_invocation_params(to_node(params))

    def set_usage_from_response(self, response):
        """Take the usage of what a model has answered, a dict; whether there is one."""
        return super().set_usage_from_response(to_node(response))


Run = override(Run)
__all__.append('Run')


# The innermost `with` block of this task or thread: (observer, run, the one around it).
current_block = contextvars.ContextVar('lsobs_current_block', default=None)


def find_current_run(observer):
    """The run of the innermost block of an observer, or what was pushed within it: by C that
    the block has called, and that has called back.
    """
    block = current_block.get()
    while block is not None and block[0] != observer:
        block = block[2]
    if block is None:
        return None
    pushed = Lsobs.Run.get_thread_default()
    if pushed is not None and pushed != block[1]:
        within = block[1].dup_dotted_order() + '.'
        if pushed.dup_dotted_order().startswith(within):
            return pushed
    return block[1]


class Pushed:
    """Makes a run the current one of the thread, for what C starts.

    Only where nothing else can happen in the thread before the end: a block in a coroutine or
    a generator stays open while others have their turns, and so would get into theirs.
    """

    def __init__(self, run):
        self.run = run

    def __enter__(self):
        self.run.push_thread_default()

    def __exit__(self, *_problem):
        # what was left above it by others is not ours to pop
        if Lsobs.Run.get_thread_default() == self.run:
            self.run.pop_thread_default()


class Block:
    """The `with` block of a run."""

    def __init__(self, observer, start_arguments, tags, metadata):
        self.observer = observer
        self.start_arguments = start_arguments
        self.tags = tags
        self.metadata = metadata
        self.run = None
        self.around = None

    def __enter__(self):
        if self.run is not None:
            raise RuntimeError('the block of a run is entered once')
        self.run = self.observer.start_nested_run(*self.start_arguments)
        for tag in self.tags:
            self.run.add_tag(tag)
        for key, value in self.metadata.items():
            self.run.set_metadata(key, value)
        self.around = current_block.get()
        current_block.set((self.observer, self.run, self.around))
        return self.run

    def __exit__(self, _kind, problem, _traceback):
        # not by a token: a generator may be closed in another context than its own
        block = current_block.get()
        if block is not None and block[1] is self.run:
            current_block.set(self.around)
        # the block may have ended it
        if self.run.get_status() == Lsobs.RunStatus.RUNNING:
            if problem is None:
                self.run.end(self.run.outputs)
            elif self.run.outputs is not None:
                self.run.fail_with_outputs(problem, self.run.outputs)
            else:
                self.run.fail(problem)
        return False


# What is kept of the items of a generator: the first ones, as they were.
MAX_ITEMS = 1000
MAX_ITEM_BYTES = 4 * 1024 * 1024


class Stream:
    """The run of a generator, which is around each of its steps, but not around what its
    consumer does in between.
    """

    def __init__(self, block, pushes):
        self.block = block
        self.pushes = pushes
        self.pushed = None
        self.inside = None
        self.outside = None
        self.items = []
        self.n_bytes = 0
        self.n_left_out = 0

    def __enter__(self):
        self.outside = current_block.get()
        if self.block.run is None:
            self.block.__enter__()
        else:
            current_block.set(self.inside)
        if self.pushes:
            self.pushed = Pushed(self.block.run)
            self.pushed.__enter__()

    def __exit__(self, *_problem):
        if self.pushed is not None:
            self.pushed.__exit__()
        self.inside = current_block.get()
        current_block.set(self.outside)
        return False

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

    def end(self):
        run = self.block.run
        if run.get_status() == Lsobs.RunStatus.RUNNING:
            if self.n_left_out > 0:
                run.set_metadata('items_left_out', self.n_left_out)
            run.end_bytes(GLib.Bytes.new(b'[' + b','.join(self.items) + b']'))
        self.block.__exit__(None, None, None)

    def fail(self, problem):
        # or it has not even begun
        if self.block.run is not None:
            self.block.__exit__(type(problem), problem, problem.__traceback__)


def trace_generator(function, start_block):
    @functools.wraps(function)
    def traced_function(*arguments, **keywords):
        stream = Stream(start_block(arguments, keywords), True)
        try:
            with stream:
                generator = function(*arguments, **keywords)
                item = next(generator)
            while True:
                stream.take(item)
                try:
                    resume = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with stream:
                        generator.close()
                    raise
                except BaseException as problem:  # pylint: disable=broad-except
                    resume = functools.partial(generator.throw, problem)
                with stream:
                    item = resume()
        except StopIteration as end:
            stream.end()
            return end.value
        except GeneratorExit:
            # its consumer has had enough
            stream.end()
            raise
        except BaseException as problem:
            stream.fail(problem)
            raise

    return traced_function


def trace_async_generator(function, start_block):
    @functools.wraps(function)
    async def traced_function(*arguments, **keywords):
        stream = Stream(start_block(arguments, keywords), False)
        try:
            with stream:
                generator = function(*arguments, **keywords)
                item = await generator.__anext__()
            while True:
                stream.take(item)
                try:
                    resume = functools.partial(generator.asend, (yield item))
                except GeneratorExit:
                    with stream:
                        await generator.aclose()
                    raise
                except BaseException as problem:  # pylint: disable=broad-except
                    resume = functools.partial(generator.athrow, problem)
                with stream:
                    item = await resume()
        except StopAsyncIteration:
            stream.end()
        except GeneratorExit:
            # its consumer has had enough
            stream.end()
            raise
        except BaseException as problem:
            stream.fail(problem)
            raise

    return traced_function


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


def trace_function(function, observer, name, options):
    try:
        signature = inspect.signature(function)
    except ValueError:
        # a function in C may have none that Python knows
        signature = None
    name = name or getattr(function, '__name__', type(function).__name__)

    def start_block(arguments, keywords):
        return observer.run(name, get_arguments(signature, arguments, keywords), **options)

    if inspect.isgeneratorfunction(function):
        return trace_generator(function, start_block)
    if inspect.isasyncgenfunction(function):
        return trace_async_generator(function, start_block)
    if inspect.iscoroutinefunction(function):
        @functools.wraps(function)
        async def traced_function(*arguments, **keywords):
            with start_block(arguments, keywords) as run:
                run.outputs = await function(*arguments, **keywords)
                return run.outputs
    else:
        @functools.wraps(function)
        def traced_function(*arguments, **keywords):
            with start_block(arguments, keywords) as run, Pushed(run):
                run.outputs = function(*arguments, **keywords)
                return run.outputs

    return traced_function


def traced(observer, name=None, **options):
    """Decorate a function, be it async: each call is a run with its arguments and its value.

    The run of a generator begins with its first step and lasts until it is exhausted, closed
    or failed; its value is the list of the first 1000 items, or fewer if they have more than
    4 MiB as JSON, and the metadata `items_left_out` tells how many more there were.

    The options are those of observer.run(): run_type, tags, metadata.
    """
    return lambda function: trace_function(function, observer, name, options)


__all__.append('traced')


def shut_down_all():
    """Sends what waits while the interpreter still runs: no redaction function in Python is
    called after this. Lets go of the GIL while it waits, as those functions need it.
    """
    try:
        Lsobs.shutdown_at_exit()
    except GLib.Error:
        # the library has logged it, and the program has ended
        pass
    # whatever is traced later must not call the interpreter, which is gone by then
    Lsobs.forbid_callbacks_at_exit()


atexit.register(shut_down_all)


class WorkerEnd:
    """Shuts down the observers and exporters of a worker that multiprocessing has forked.

    Such a worker ends by os._exit(), which calls no function of atexit, but it runs the
    finalizers of multiprocessing.util before.
    """

    # Those of multiprocessing itself come before: they send the results to the parent.
    PRIORITY = -1000

    def __init__(self):
        self.is_watching = False

    def watch(self):
        """In a new child, multiprocessing first removes all finalizers, and then calls what is
        registered here. In a child that it has not made it does neither.
        """
        util = sys.modules.get('multiprocessing.util')
        if util is not None and not self.is_watching:
            self.is_watching = True
            util.register_after_fork(self, WorkerEnd.add_finalizer)

    def add_finalizer(self):
        util = sys.modules['multiprocessing.util']
        util.Finalize(None, shut_down_all, exitpriority=self.PRIORITY)


worker_end = WorkerEnd()
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=worker_end.watch)
# or this is loaded in a worker: before it has removed all finalizers, or after that
worker_end.watch()
if getattr(sys.modules.get('multiprocessing.process'), 'parent_process', lambda: None)() is not None:
    worker_end.add_finalizer()


class Observer(Lsobs.Observer):
    """An observer that takes plain values, and knows blocks and functions."""

    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        # raises what is wrong with the config, as new() does
        self.init(None)

    def start_run(self, name, inputs=None, run_type=None):
        """Start a root run; the type is a word or an Lsobs.RunType."""
        return start(super().start_run, super().start_run_bytes, super().start_run_of_kind,
                     self.get_tracing_enabled(), name, inputs, run_type)

    def start_nested_run(self, name, inputs=None, run_type=None):
        """Start a run below that of the block around it, or below the current run of the
        thread; else it is a root.
        """
        parent = find_current_run(self)
        if parent is not None:
            return parent.start_child(name, inputs, run_type)
        return start(super().start_nested_run, super().start_nested_run_bytes,
                     super().start_nested_run_of_kind, self.get_tracing_enabled(),
                     name, inputs, run_type)

    def trace_message(self, message, body=None, parent=None):
        """Trace the call of a model: below `parent`, or as start_nested_run() does."""
        return super().trace_message(message, to_bytes(body), parent or find_current_run(self))

    def run(self, name, inputs=None, run_type=None, tags=(), metadata=None):
        """A `with` block that is a run, below that of the block around it.

        The end of the block ends the run with its `outputs`; an exception fails it, and
        goes on. Tasks of asyncio have the block that they were made in around them, threads
        have none. Where there is none, the current run of the thread is taken, which is
        that of a program in C that has called. What C starts finds the runs of decorated
        functions that are not async, but not those of blocks: tasks take turns in one
        thread, with their blocks open.
        """
        tags = (tags,) if isinstance(tags, str) else tags or ()
        return Block(self, (name, inputs, run_type), tags, metadata or {})

    def traced(self, function=None, *, name=None, **options):
        """Decorate a function, as @observer.traced or @observer.traced(run_type='tool')."""
        if function is None:
            return traced(self, name, **options)
        return trace_function(function, self, name, options)

    def begin_invocation(self, name, inputs=None):
        return super().begin_invocation(clean(name), to_node(inputs))

    def flush(self, timeout=FLUSH_TIMEOUT_MS):
        """Wait for what is to be sent, for so many milliseconds; (done, Lsobs.FlushStats)."""
        return super().flush(timeout)

    def shutdown(self, timeout=FLUSH_TIMEOUT_MS):
        """As flush(), and take no more after it."""
        return super().shutdown(timeout)


Observer = override(Observer)
__all__.append('Observer')


class ModelCall(Lsobs.ModelCall):
    @staticmethod
    def new(observer, parent, url, body=None):
        """The call of a model: below `parent`, or as Observer.start_nested_run() has it."""
        return Lsobs.ModelCall.new(observer, parent or find_current_run(observer), url,
                                   to_bytes(body))


ModelCall = override(ModelCall)
__all__.append('ModelCall')


class Client(Lsobs.Client):
    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        self.init(None)


Client = override(Client)
__all__.append('Client')


class Exporter(Lsobs.Exporter):
    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        self.init(None)


Exporter = override(Exporter)
__all__.append('Exporter')


class Invocation(Lsobs.Invocation):
    """The execution of a graph that takes plain values, and exceptions for errors."""

    def on_node_start(self, node_id, input=None):  # pylint: disable=redefined-builtin
        super().on_node_start(node_id, to_node(input))

    def on_node_end(self, node_id, output=None, duration_ms=-1):
        super().on_node_end(node_id, to_node(output), duration_ms)

    def on_error(self, node_id, error):
        super().on_error(node_id, to_error(error))

    def on_tool_call(self, node_id, tool_name, call_id=None, args=None):
        super().on_tool_call(node_id, tool_name, call_id, to_node(args))

    def on_tool_result(self, node_id, tool_name, call_id=None, result=None):
        super().on_tool_result(node_id, tool_name, call_id, to_node(result))

    def end(self, output=None):
        super().end(to_node(output))

    def fail(self, error):
        super().fail(to_error(error))


Invocation = override(Invocation)
__all__.append('Invocation')


class Feedback(Lsobs.Feedback):
    """Feedback that takes plain values."""

    def set_value(self, value):
        super().set_value(to_node(value))

    def set_correction(self, correction):
        super().set_correction(to_node(correction))

    def set_config(self, config):
        super().set_config(to_node(config))

    def set_extra(self, extra):
        super().set_extra(to_node(extra))

    def set_source(self, source, metadata=None):
        super().set_source(source, to_node(metadata))


Feedback = override(Feedback)
__all__.append('Feedback')


class Usage(Lsobs.Usage):
    @staticmethod
    def new_from_json(value):
        """The tokens that the answer of a model tells of, be it a dict or a Json.Node."""
        return Lsobs.Usage.new_from_json(to_node(value))


Usage = override(Usage)
__all__.append('Usage')
