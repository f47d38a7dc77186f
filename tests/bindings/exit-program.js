#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes 100 runs and ends in the way that is given, without a flush:
//
//   exit-program.js END [context] [hook]
//
// With "context" the runs leave from the main thread, as a redaction function, which there is
// with "hook", needs it in GJS. With "term" as END, the program lets lsobs handle signals, and
// SIGTERM ends its main loop.

imports.gi.versions.Json = '1.0';
imports.gi.versions.Lsobs = '1.0';
const {Gio, GLib, Json, Lsobs} = imports.gi;

const [end, ...options] = ARGV;
const config = Lsobs.Config.new_from_environment();
// nothing leaves before the end
config.flush_interval = 3600000;
config.max_batch_size = 1000;
config.shutdown_timeout = config.exit_timeout;
if (options.includes('hook'))
    config.set_redact_func(() => Json.from_string('{"judged":true}'));
const observer = options.includes('context')
    ? new Lsobs.Observer({config, main_context: GLib.MainContext.default()})
    : new Lsobs.Observer({config});
for (let i = 0; i < 100; i++)
    observer.run(`run-${i}`, {secret: 'hidden'}, () => null);

if (end === 'exit') {
    imports.system.exit(7);
} else if (end === 'exception') {
    throw new Error('on purpose');
} else if (end === 'term') {
    Lsobs.install_signal_handlers(null);
    GLib.spawn_command_line_sync(`kill -TERM ${new Gio.Credentials().get_unix_pid()}`);
    new GLib.MainLoop(null, false).run();
}
