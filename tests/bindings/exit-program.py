#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes 100 runs and ends in the way that is given, without a flush:

    exit-program.py END [START-METHOD]

With the name of a kind of workers, five of them and their parent make 100 runs each. With "fork",
a child that makes none ends by sys.exit(); with "fork-trace", one that makes 100. With "term", the
program lets lsobs handle signals, and SIGTERM ends it; with "term-context", its main loop.
"""

import atexit
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import uuid

import gi

if sys.argv[1] == 'late-transport':
    # lsobs has a function of its own, which is registered later, and called before
    atexit.register(lambda: make_late_runs())

gi.require_version('Lsobs', '1.0')
gi.require_version('Json', '1.0')
# pylint: disable=wrong-import-position
from gi.repository import GLib, Gio, GObject, Json, Lsobs

N_RUNS = 100
N_WORKERS = 5


def new_config():
    config = Lsobs.Config.new_from_environment()
    # nothing leaves before the end
    config.set_flush_interval(3600000)
    config.set_max_batch_size(1000)
    config.set_shutdown_timeout(config.get_exit_timeout())
    return config


config = new_config()
if sys.argv[1].startswith('hook-'):
    config.set_redact_func(lambda _field, _value: Json.from_string('{"judged":true}'))
if sys.argv[1].endswith('-context'):
    observer = Lsobs.Observer(config, main_context=GLib.MainContext.default())
else:
    observer = Lsobs.Observer.new(config)
exporter = Lsobs.Exporter.new(config)


def make_runs(_number=0):
    for number in range(N_RUNS):
        with observer.run(f'run-{number}', {'secret': 'hidden'}):
            pass
    return os.getpid()


class Transport(GObject.Object, Lsobs.Transport):
    """Says what it is given."""

    def do_send_async(self, batch, cancellable, callback, *_):
        print('called', batch.get_n_records())
        task = Gio.Task.new(self, cancellable, lambda source, result, *_: callback(source, result))
        task.return_boolean(True)

    def do_send_finish(self, result):
        return result.propagate_boolean()


def make_late_runs():
    """An observer that is made when lsobs has shut all others down."""
    late = Lsobs.Observer.new_with_transport(new_config(), Transport())
    with late.run('late'):
        pass
    # lives as long as the process
    keep.append(late)


keep = []


def work_in_processes(context):
    workers = [context.Process(target=make_runs) for _ in range(N_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def work_in_executor(context):
    with concurrent.futures.ProcessPoolExecutor(N_WORKERS, mp_context=context) as executor:
        list(executor.map(make_runs, range(N_WORKERS)))


def work_in_pool(context, **options):
    pool = context.Pool(N_WORKERS, **options)
    pool.map(make_runs, range(N_WORKERS), chunksize=1)
    pool.close()
    pool.join()


def fork(traces):
    """Waits for the child, which ends as the parent does."""
    child = os.fork()
    if child == 0:
        if traces:
            make_runs()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def main(end, start_method=None):
    context = multiprocessing.get_context(start_method)
    if end != 'exporter':
        make_runs()
    if end == 'process':
        work_in_processes(context)
    elif end == 'executor':
        work_in_executor(context)
    elif end == 'pool':
        work_in_pool(context)
    elif end == 'pool-of-one-task-each':
        work_in_pool(context, maxtasksperchild=1)
    elif end == 'exporter':
        for number in range(N_RUNS):
            exporter.enqueue(Lsobs.RunEvent.new_start(str(uuid.uuid4()), None, f'run-{number}',
                                                      Lsobs.RunType.CHAIN,
                                                      Json.from_string('{"secret":"hidden"}')))
    elif end.startswith('fork'):
        fork(end == 'fork-trace')
    elif end.startswith('term'):
        Lsobs.install_signal_handlers(None)
        os.kill(os.getpid(), signal.SIGTERM)
        if end == 'term-context':
            GLib.MainLoop().run()
        while True:
            signal.pause()
    elif end.endswith('exit'):
        sys.exit(7)
    elif end.endswith('exception'):
        raise LookupError('on purpose')
    else:
        assert end.endswith(('return', 'context', 'transport')), end


if __name__ == '__main__':
    main(*sys.argv[1:])
