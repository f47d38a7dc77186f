# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run."""

import sys

from gi.repository import GLib

from ._ends import end_run, get_problem_text, is_cancellation, to_error
from ._functions import call_in_place
from ._places import Place, get_options
from ._starts import Notes, start
from ._typelib import Lsobs, override
from ._values import clean, to_bytes, to_node, to_payload, to_score


class Run(Lsobs.Run):
    """A run that takes plain values."""

    # What the end of the run records, be it of a `with` block, or end() and fail() without outputs.
    outputs = None

    @property
    def id(self):
        return self.dup_id()

    @property
    def trace_id(self):
        return self.dup_trace_id()

    def __setattr__(self, name, value):
        # a typing error would lose the value without a word
        if name != 'outputs' and not name.startswith('_'):
            raise AttributeError(f'a run has no attribute {name!r} that can be set, only outputs')
        super().__setattr__(name, value)

    def start_child(self, name, inputs=None, run_type=None, tags=(), metadata=None, thread_id=None):
        """Start a run below this one; the type is a word or an Lsobs.RunType."""
        notes = Notes(tags, metadata, thread_id)
        run = start(super().start_child, super().start_child_bytes, super().start_child_of_kind,
                    self.is_sampled(), name, inputs, run_type)
        options = get_options()
        if options is not None:
            options.annotate(run)
        notes.annotate(run)
        return run

    def choose_outputs(self, outputs):
        """Those of a call, or else the attribute, which is for the first end."""
        if outputs is None and self.get_status() == Lsobs.RunStatus.RUNNING:
            return self.outputs
        return outputs

    def end(self, outputs=None):
        """End the run with outputs, or else with the attribute `outputs`."""
        outputs = self.choose_outputs(outputs)
        payload = to_payload(outputs) if self.is_sampled() else None
        if isinstance(payload, GLib.Bytes):
            super().end_bytes(payload)
        else:
            super().end(payload)

    def fail(self, error):
        """End the run with a GLib.Error or with any exception, and with the attribute `outputs`."""
        if self.choose_outputs(None) is not None:
            self.fail_with_outputs(error)
        elif isinstance(error, GLib.Error) or is_cancellation(error):
            super().fail(to_error(error))
        else:
            self.fail_with_message(get_problem_text(error))

    def fail_with_outputs(self, error, outputs=None):
        """End the run with a GLib.Error or with any exception, and with what had come out, or else
        with the attribute `outputs`.
        """
        outputs = self.choose_outputs(outputs)
        payload = to_payload(outputs) if self.is_sampled() else None
        if isinstance(payload, GLib.Bytes):
            super().fail_with_outputs_bytes(to_error(error), payload)
        else:
            super().fail_with_outputs(to_error(error), payload)

    def fail_with_exception(self, problem):
        """End the run with the type and the text of an exception."""
        self.fail(problem)

    def run(self, function, *arguments, **keywords):
        """Call a function with this run as the current one, and return what it returns.

        The run does not end by that. An async function gives a coroutine that has the run as
        the current one while it is awaited.
        """
        return call_in_place(lambda frame: Place(self, None, frame, options=get_options()),
                             function, arguments, keywords)

    def wrap(self, function, *data):
        """Call a function with this run, which ends with it, or fails with what it raises.

        PyGObject passes on no exception through C but a GLib.Error.
        """
        place = Place(self, None, sys._getframe(), options=get_options())
        place.open()
        try:
            function(self, *data)
        except BaseException as problem:
            end_run(self, problem, self.outputs)
            raise
        finally:
            place.close()
        end_run(self, None, self.outputs)
        return True

    def add_tag(self, tag):
        super().add_tag(clean(tag))

    def add_attachment(self, name, mime_type, data):
        """Attach a file, as bytes or GLib.Bytes."""
        return super().add_attachment(name, mime_type, to_bytes(data, 'data'))

    def add_feedback(self, key, score, comment=None):
        """Say what somebody thinks of the run, by a number, such as 1 for a thumb up and 0 for one down."""
        return super().add_feedback(key, to_score(score), comment)

    def set_metadata(self, key, value):
        super().set_metadata(clean(key), to_node(value))

    def set_extra(self, key, value):
        super().set_extra(clean(key), to_node(value))

    def add_event(self, name, details=None):
        super().add_event(clean(name), to_node(details))

    def set_serialized(self, serialized):
        super().set_serialized(to_node(serialized))

    def set_invocation_params(self, params):
        super().set_invocation_params(to_node(params))

    def set_usage_from_response(self, response):
        """Take the usage of what a model has answered, a dict; whether there is one."""
        return super().set_usage_from_response(to_node(response))


Run = override(Run)
