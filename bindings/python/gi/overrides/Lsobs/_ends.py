# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a run ends: what is a failure, what is a cancellation, and what is neither."""

from gi.repository import Gio, GLib

from ._typelib import Lsobs
from ._values import clean

# C records the domain of an error and its code, except for those of this domain.
EXCEPTION = GLib.quark_from_string('lsobs-exception')

# Cancellations of asyncio, of concurrent.futures, and of other event loops, which need not be there.
CANCELLATIONS = frozenset(('CancelledError', 'Cancelled'))


def is_end(problem):
    """Whether an exception only says that there is no more to come."""
    if isinstance(problem, SystemExit):
        return problem.code is None or (isinstance(problem.code, int) and problem.code == 0)
    return isinstance(problem, (GeneratorExit, StopIteration, StopAsyncIteration))


def is_cancellation(problem):
    """Whether the program, or its user, has stopped the work."""
    if isinstance(problem, KeyboardInterrupt):
        return True
    return any(kind.__name__ in CANCELLATIONS for kind in type(problem).__mro__)


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
    text = get_problem_text(problem)
    if is_cancellation(problem):
        return GLib.Error.new_literal(Gio.io_error_quark(), text, Gio.IOErrorEnum.CANCELLED)
    return GLib.Error.new_literal(EXCEPTION, text, 0)


def end_run(run, problem, outputs):
    """End a run with what its work has ended with, and with what had come out; unless the work has
    ended it.
    """
    if run.get_status() != Lsobs.RunStatus.RUNNING:
        return
    if problem is None or is_end(problem):
        run.end(outputs)
    elif outputs is None:
        run.fail(problem)
    else:
        run.fail_with_outputs(problem, outputs)
