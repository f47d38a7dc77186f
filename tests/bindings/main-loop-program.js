#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Drops observers in the main loop of a program in GJS, with a window of GTK 4, and prints the
// worst gap between two calls of a timer of 5 ms meanwhile, in milliseconds. The service is that
// of the environment. With the argument "context", the observers send in that main loop, and have
// begun that when they are dropped.

imports.gi.versions.Gtk = '4.0';
imports.gi.versions.Lsobs = '1.0';
const {GLib, Gtk, Lsobs} = imports.gi;
const System = imports.system;

const TICK_MS = 5;
const N_TICKS_BEFORE = 200;
const N_TICKS_BETWEEN = 20;
const N_OBSERVERS = 10;
const IN_CONTEXT = ARGV[0] === 'context';
// nothing more is to be found out after such a gap
const HOPELESS_US = 5000000;

const config = Lsobs.Config.new_from_environment();
config.shutdown_timeout = 30000;
// the first records leave at once
if (IN_CONTEXT)
    config.flush_interval = 1;

let sending = null;

// The garbage collector drops the last reference: to a new observer, or to the one before, which
// sends.
function dropObserver() {
    (() => {
        const observer = IN_CONTEXT
            ? new Lsobs.Observer({config, main_context: GLib.MainContext.default()})
            : new Lsobs.Observer({config});
        observer.start_run('run', {a: 1}).end();
        sending = IN_CONTEXT ? observer : null;
    })();
    System.gc();
}

if (!Gtk.init_check())
    throw new Error('there is no display');
const window = new Gtk.Window({title: 'lsobs', child: new Gtk.Spinner({spinning: true})});
window.present();

const loop = GLib.MainLoop.new(null, false);
let nTicks = 0;
let last = 0;
let worst = 0;
GLib.timeout_add(GLib.PRIORITY_HIGH, TICK_MS, () => {
    const now = GLib.get_monotonic_time();
    // the first frames of the window are none of our business
    const after = ++nTicks - N_TICKS_BEFORE;
    if (after > 0)
        worst = Math.max(worst, now - last);
    last = now;
    if (after >= 0 && after % N_TICKS_BETWEEN === 0) {
        if (after === N_TICKS_BETWEEN * N_OBSERVERS || worst > HOPELESS_US) {
            loop.quit();
            return GLib.SOURCE_REMOVE;
        }
        dropObserver();
    }
    return GLib.SOURCE_CONTINUE;
});
loop.run();
print((worst / 1000).toFixed(1));
