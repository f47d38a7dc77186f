# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done while the interpreter still runs, when the process ends."""

import atexit
import os
import sys

from gi.repository import GLib

from ._typelib import Lsobs


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


atexit.register(shut_down_all)
worker_end = WorkerEnd()
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=worker_end.watch)
# or this is loaded in a worker: before it has removed all finalizers, or after that
worker_end.watch()
if getattr(sys.modules.get('multiprocessing.process'), 'parent_process', lambda: None)() is not None:
    worker_end.add_finalizer()
