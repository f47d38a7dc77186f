# SPDX-License-Identifier: LGPL-2.1-or-later
"""The observer that is taken where the program names none."""

import os
import threading

from ._typelib import Lsobs


class Default:
    def __init__(self):
        self.observer = None
        self.off_run = None
        self.renew_lock()

    def renew_lock(self):
        # reentrant: a function for the log may trace
        self.lock = threading.RLock()


default = Default()
if hasattr(os, 'register_at_fork'):
    # another thread may have held it
    os.register_at_fork(after_in_child=default.renew_lock)


def get_default_observer():
    """The observer that Lsobs.run(), Lsobs.traced() and the wrapped clients take if they are given
    none. It is made of the environment when it is first needed, see Lsobs.Observer.new_default().
    """
    with default.lock:
        if default.observer is None:
            default.observer = Lsobs.Observer.new_default()
        return default.observer


def set_default_observer(observer):
    """Set the observer that get_default_observer() returns. None lets it make one of the environment
    when it is needed again.
    """
    if observer is not None and not isinstance(observer, Lsobs.Observer):
        raise TypeError(f'observer is an Lsobs.Observer or None, not {type(observer).__name__}')
    with default.lock:
        default.observer = observer


def check_observer(observer):
    if observer is not None and not isinstance(observer, Lsobs.Observer):
        raise TypeError(f'observer is an Lsobs.Observer or None, not {type(observer).__name__}')


def get_off_run():
    """A run that is left out, with everything below it."""
    with default.lock:
        if default.off_run is None:
            config = Lsobs.Config.new('off', 'off')
            config.set_tracing_enabled(False)
            observer = Lsobs.Observer.new_with_transport(config, Lsobs.MemoryTransport.new())
            default.off_run = observer.start_run('off', Lsobs.RunType.CHAIN, None)
        return default.off_run
