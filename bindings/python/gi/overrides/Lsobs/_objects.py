# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other classes of the typelib, with plain values."""

from gi.repository import Json

from ._blocks import Block
from ._ends import to_error
from ._functions import make_decorator
from ._places import find_parent, get_options, is_off
from ._starts import Notes, start
from ._typelib import Lsobs, override
from ._values import clean, to_bytes, to_node

# How long a flush or a shutdown may wait, if the program does not say.
FLUSH_TIMEOUT_MS = 5000


def note(run):
    """Add what tracing_context() has set."""
    options = get_options()
    if options is not None:
        options.annotate(run)
    return run


def note_call(call):
    """The same for the call of a model."""
    note(call.get_run())
    return call


def find_parent_run(observer):
    """For what takes a parent: the run of a block around the caller, unless C has to say."""
    run, is_certain = find_parent(observer)
    return run if is_certain else None


class Observer(Lsobs.Observer):
    """An observer that takes plain values, and knows blocks and functions."""

    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        # raises what is wrong with the config, as new() does
        self.init(None)

    def start_run(self, name, inputs=None, run_type=None, tags=(), metadata=None, thread_id=None,
                  project=None):
        """Start a root run; the type is a word or an Lsobs.RunType."""
        notes = Notes(tags, metadata, thread_id)
        if project is not None and not isinstance(project, str):
            raise TypeError(f'project is a text, not {type(project).__name__}')
        is_sent = self.get_tracing_enabled() and not is_off()
        if project:
            run = self.start_in_project(clean(project), is_sent, name, inputs, run_type)
        else:
            run = start(super().start_run, super().start_run_bytes, super().start_run_of_kind,
                        is_sent, name, inputs, run_type)
        notes.annotate(note(run))
        return run

    def start_in_project(self, project, is_sent, name, inputs, run_type):
        def start_node(name, run_type, inputs):
            return super(Observer, self).start_run_in_project(project, name, run_type, inputs)

        def start_bytes(name, run_type, inputs):
            return start_node(name, run_type, Json.from_string(inputs.get_data().decode('utf-8')))

        def start_kind(name, kind, inputs):
            run = start_node(name, Lsobs.RunType.CHAIN, inputs)
            run.set_metadata('ls_run_kind', kind)
            return run

        return start(start_node, start_bytes, start_kind, is_sent, name, inputs, run_type)

    def start_nested_run(self, name, inputs=None, run_type=None, tags=(), metadata=None,
                         thread_id=None):
        """Start a run below the current one, see Lsobs.get_current_run(); else it is a root."""
        notes = Notes(tags, metadata, thread_id)
        run = self.start_nested(name, inputs, run_type)
        notes.annotate(run)
        return run

    def start_nested(self, name, inputs, run_type):
        parent, is_certain = find_parent(self)
        if is_certain and parent is not None:
            return parent.start_child(name, inputs, run_type)
        return note(start(super().start_nested_run, super().start_nested_run_bytes,
                          super().start_nested_run_of_kind, self.get_tracing_enabled(),
                          name, inputs, run_type))

    def trace_message(self, message, body=None, parent=None):
        """Trace the call of a model: below `parent`, or as start_nested_run() does."""
        return note(super().trace_message(message, to_bytes(body, 'body'),
                                          parent or find_parent_run(self)))

    def run(self, name, inputs=None, run_type=None, tags=(), metadata=None, thread_id=None):
        """A `with` block that is a run, below the current one.

        The end of the block ends the run with its `outputs`; an exception fails it, with the
        `outputs` that there are, and goes on. Within the block, the run is the current one, for C
        as well. Tasks of asyncio have the block that they were made in around them; threads have
        none, unless Lsobs.bind() hands it on.
        """
        return Block(self, name, inputs, run_type, tags, metadata, thread_id)

    def traced(self, function=None, *, name=None, run_type=None, tags=(), metadata=None):
        """Decorate a function, as @observer.traced or @observer.traced(run_type='tool')."""
        return make_decorator(function, self, name, run_type, tags, metadata)

    def begin_invocation(self, name, inputs=None):
        invocation = super().begin_invocation(clean(name), to_node(inputs))
        note(invocation.get_run())
        return invocation

    def flush(self, timeout=FLUSH_TIMEOUT_MS):
        """Wait for what is to be sent, for so many milliseconds; (done, Lsobs.FlushStats)."""
        return super().flush(timeout)

    def shutdown(self, timeout=FLUSH_TIMEOUT_MS):
        """As flush(), and take no more after it."""
        return super().shutdown(timeout)


Observer = override(Observer)


class ModelCall(Lsobs.ModelCall):
    @staticmethod
    def new(observer, parent, url, body=None):
        """The call of a model: below `parent`, or as Observer.start_nested_run() has it."""
        return note_call(Lsobs.ModelCall.new(observer, parent or find_parent_run(observer), url,
                                             to_bytes(body, 'body')))


ModelCall = override(ModelCall)


class Client(Lsobs.Client):
    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        self.init(None)


Client = override(Client)


class Exporter(Lsobs.Exporter):
    def __init__(self, config, **properties):
        super().__init__(config=config, **properties)
        self.init(None)


Exporter = override(Exporter)


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


class Usage(Lsobs.Usage):
    @staticmethod
    def new_from_json(value):
        """The token usage in the answer of a model, which is a dict or a Json.Node."""
        return Lsobs.Usage.new_from_json(to_node(value))


Usage = override(Usage)
