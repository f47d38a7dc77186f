#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drops observers in the main loop of a GTK 4 program, and prints the worst gap between two calls
of a timer of 5 ms meanwhile, in milliseconds. The service is that of the environment. With the
argument "context", the observers send in that main loop, and have begun that when they are dropped.
"""

import os
import sys
import time

import gi

gi.require_version('Gtk', '4.0')
gi.require_version('Lsobs', '1.0')
# pylint: disable=wrong-import-position
from gi.repository import GLib, Gtk, Lsobs

TICK_MS = 5
N_TICKS_BEFORE = 200
N_TICKS_BETWEEN = 20
N_OBSERVERS = 10
IN_CONTEXT = sys.argv[1:] == ['context']
# nothing more is to be found out after such a gap
HOPELESS_S = 5


class Loop:
    def __init__(self):
        self.loop = GLib.MainLoop()
        self.config = Lsobs.Config.new_from_environment()
        self.config.set_shutdown_timeout(30000)
        if IN_CONTEXT:
            # the first records leave at once
            self.config.set_flush_interval(1)
        self.observer = None
        self.n_ticks = 0
        self.last = None
        self.worst = 0

    def drop_observer(self):
        """Drops the last reference: to a new observer, or to the one before, which sends."""
        if IN_CONTEXT:
            self.observer = None
            self.observer = Lsobs.Observer(self.config, main_context=GLib.MainContext.default())
            self.observer.start_run('run', {'a': 1}).end()
        else:
            observer = Lsobs.Observer.new(self.config)
            observer.start_run('run', {'a': 1}).end()

    def tick(self):
        now = time.monotonic()
        self.n_ticks += 1
        # the first frames of the window are none of our business
        after = self.n_ticks - N_TICKS_BEFORE
        if after > 0:
            self.worst = max(self.worst, now - self.last)
        self.last = now
        if after >= 0 and after % N_TICKS_BETWEEN == 0:
            if after == N_TICKS_BETWEEN * N_OBSERVERS or self.worst > HOPELESS_S:
                self.loop.quit()
                return GLib.SOURCE_REMOVE
            self.drop_observer()
        return GLib.SOURCE_CONTINUE


if not Gtk.init_check():
    sys.exit('there is no display')
window = Gtk.Window(title='lsobs')
spinner = Gtk.Spinner(spinning=True)
window.set_child(spinner)
window.present()
loop = Loop()
GLib.timeout_add(TICK_MS, loop.tick, priority=GLib.PRIORITY_HIGH)
loop.loop.run()
print(f'{loop.worst * 1000:.1f}', flush=True)
# the end of a program has tests of its own
os._exit(0)
