#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a run gets its parent from in Python, and how its end is told."""

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import inspect
import os
import subprocess
import sys
import tempfile
import threading

import gi
import python_helpers
from python_helpers import assert_raises, get_named, get_sent, new_observer

gi.require_version('Soup', '3.0')
# pylint: disable=wrong-import-position
from gi.repository import Gio, GLib, Json, Lsobs, Soup

TIMEOUT_S = python_helpers.TIMEOUT / 1000

# As C does it, which knows nothing of blocks.
start_in_c = Lsobs.Observer.__mro__[1].start_nested_run


def c_parent(observer):
    """The parent that a run of C gets here."""
    run = start_in_c(observer, 'in-c', Lsobs.RunType.CHAIN, None)
    run.end()
    return run.dup_parent_id()


def get_id(run):
    return run.dup_id() if run is not None else None


def assert_current(observer, run):
    """That it is the current run: for Python, for what Python starts, and for what C starts."""
    assert get_id(Lsobs.get_current_run()) == get_id(run)
    assert observer.start_nested_run('in-python').dup_parent_id() == get_id(run)
    assert c_parent(observer) == get_id(run)


def test_current_run():
    observer, _ = new_observer()
    assert Lsobs.get_current_run() is None
    with observer.run('outer') as outer:
        assert Lsobs.get_current_run() is outer
        assert_current(observer, outer)
        with observer.run('inner') as inner:
            assert_current(observer, inner)
        pushed = observer.start_run('pushed')
        pushed.push_thread_default()
        # it is more recent than the block, and no child of it
        assert_current(observer, pushed)
        with observer.run('within') as within:
            assert within.dup_parent_id() == pushed.dup_id()
            assert_current(observer, within)
        assert_current(observer, pushed)
        pushed.pop_thread_default()
        assert_current(observer, outer)
    assert_current(observer, None)


def test_two_observers():
    observer, _ = new_observer()
    other, _ = new_observer()
    with observer.run('outer') as outer, other.run('elsewhere') as elsewhere:
        assert c_parent(observer) == outer.dup_id()
        assert c_parent(other) == elsewhere.dup_id()
        with observer.run('inner') as inner:
            assert inner.dup_parent_id() == outer.dup_id()


def test_async():
    observer, transport = new_observer()

    async def step(number):
        async with observer.run(f'step-{number}') as run:
            await asyncio.sleep(0)
            assert_current(observer, run)
            return run

    async def work():
        async with observer.run('work') as run:
            steps = await asyncio.gather(*(step(number) for number in range(5)))
            assert {step.dup_parent_id() for step in steps} == {run.dup_id()}
            assert_current(observer, run)
            threads = await asyncio.to_thread(lambda: Lsobs.get_current_run())
            assert threads is run
        assert_current(observer, None)

    asyncio.run(work())
    assert len(get_sent(observer, transport)) > 0


# --- generators --------------------------------------------------------------------------------------

def test_generator_block():
    """A block in a generator is not the current one for the consumer between the items."""
    observer, _ = new_observer()
    inside = []

    def stream():
        with observer.run('stream') as run:
            inside.append(run)
            for number in range(3):
                assert_current(observer, run)
                yield number
                assert_current(observer, run)

    with observer.run('consumer') as consumer:
        for _ in stream():
            assert_current(observer, consumer)
            with observer.run('between') as between:
                assert_current(observer, between)
        assert_current(observer, consumer)
        # two at a time, each in a block of the consumer
        first, second = stream(), stream()
        next(first)
        with observer.run('outer') as outer:
            next(second)
            assert_current(observer, outer)
            next(first)
            assert_current(observer, outer)
            list(second)
            assert_current(observer, outer)
        first.close()
        assert_current(observer, consumer)
    assert {run.dup_parent_id() for run in inside} == {consumer.dup_id(), outer.dup_id()}
    # one that is left to the collector
    left = stream()
    next(left)
    del left
    gc.collect()
    assert_current(observer, None)


def test_async_generator_block():
    observer, _ = new_observer()

    async def child(run):
        await asyncio.sleep(0)
        assert_current(observer, run)

    async def stream():
        async with observer.run('stream') as run:
            for number in range(3):
                # tasks that are made within have the block around them
                await asyncio.gather(child(run), child(run))
                assert_current(observer, run)
                yield number

    async def consume():
        async with observer.run('consumer') as consumer:
            async for _ in stream():
                assert_current(observer, consumer)
                async with observer.run('between') as between:
                    await child(between)
            assert_current(observer, consumer)

    async def consume_all():
        await asyncio.gather(consume(), consume())

    asyncio.run(consume_all())


def test_context_manager():
    """What contextlib runs for a block of its caller is open there."""
    observer, _ = new_observer()

    @contextlib.contextmanager
    def step(name):
        with observer.run(name) as run:
            yield run

    @contextlib.asynccontextmanager
    async def async_step(name):
        with observer.run(name) as run:
            yield run

    def stream():
        with step('stream') as run:
            assert_current(observer, run)
            yield run
            assert_current(observer, run)

    async def work():
        async with async_step('async') as run:
            await asyncio.sleep(0)
            assert_current(observer, run)

    with step('outer') as outer:
        assert_current(observer, outer)
        with contextlib.ExitStack() as stack:
            run = stack.enter_context(observer.run('stacked'))
            assert_current(observer, run)
        for _ in stream():
            assert_current(observer, outer)
        asyncio.run(work())
    assert_current(observer, None)


def test_traced_generators():
    observer, transport = new_observer()
    host = observer.start_run('host')

    @observer.traced
    def count(what):
        run = Lsobs.get_current_run()
        for number in range(3):
            with observer.run('step') as step:
                assert_current(observer, step)
                yield number
                # C has pushed between the items
                assert_current(observer, step)
            assert_current(observer, run)
            if what == 'fail' and number == 1:
                raise LookupError('nothing')
            if what == 'cancel' and number == 1:
                raise KeyboardInterrupt

    with observer.run('consumer') as consumer:
        numbers = count('all')
        assert next(numbers) == 0
        assert_current(observer, consumer)
        host.push_thread_default()
        assert next(numbers) == 1
        assert_current(observer, host)
        host.pop_thread_default()
        assert list(numbers) == [2]
        assert_current(observer, consumer)
        assert_raises(LookupError, lambda: list(count('fail')))
        assert_raises(KeyboardInterrupt, lambda: list(count('cancel')))
    sent = {run.inputs['what']: run for run in get_sent(observer, transport) if run.name == 'count'}
    assert sent['all'].outputs == {'value': [0, 1, 2]} and sent['all'].error is None
    # what breaks keeps what had come
    assert sent['fail'].outputs == {'value': [0, 1]}, sent['fail'].outputs
    assert sent['fail'].error == 'LookupError: nothing'
    assert sent['cancel'].outputs == {'value': [0, 1]} and sent['cancel'].error == 'Cancelled'
    assert sent['cancel'].metadata['cancelled'] is True


def test_traced_async_generator_breaks():
    observer, transport = new_observer()

    @observer.traced
    async def stream():
        yield 'one'
        yield 'two'
        raise OSError('gone')

    async def consume():
        return [item async for item in stream()]

    assert_raises(OSError, asyncio.run, consume())
    sent = get_named(observer, transport)['stream']
    assert sent.outputs == {'value': ['one', 'two']} and sent.error == 'OSError: gone'


# --- ends --------------------------------------------------------------------------------------------

def test_ends():
    """What only says that there is no more is no failure; what the user has stopped is cancelled."""
    observer, transport = new_observer()
    cancelled = GLib.Error.new_literal(Gio.io_error_quark(), 'egal', Gio.IOErrorEnum.CANCELLED)
    cases = {'generator-exit': (GeneratorExit(), None), 'stop': (StopIteration(), None),
             'stop-async': (StopAsyncIteration(), None), 'exit-0': (SystemExit(0), None),
             'exit': (SystemExit(), None), 'exit-1': (SystemExit(1), 'SystemExit: 1'),
             'exit-text': (SystemExit('no'), 'SystemExit: no'),
             'interrupt': (KeyboardInterrupt(), 'Cancelled'),
             'asyncio': (asyncio.CancelledError(), 'Cancelled'),
             'futures': (concurrent.futures.CancelledError(), 'Cancelled'),
             'gio': (cancelled, 'Cancelled'), 'failure': (ValueError('no'), 'ValueError: no')}

    def fail(problem):
        raise problem

    traced_fail = observer.traced(fail, name='function')
    for name, (problem, _) in cases.items():
        for outputs in (None, 'half'):
            with contextlib.suppress(BaseException), observer.run(f'{name}-{outputs}') as run:
                run.outputs = outputs
                raise problem
        with contextlib.suppress(BaseException), observer.run(f'{name}-by-hand') as run:
            run.fail(problem)
        with contextlib.suppress(BaseException):
            observer.start_run(f'{name}-wrapped').wrap(lambda _run, problem=problem: fail(problem))
    assert_raises(ValueError, traced_fail, ValueError('no'))
    sent = get_named(observer, transport)
    for name, (_, error) in cases.items():
        assert sent[f'{name}-None'].error == error, (name, sent[f'{name}-None'].error)
        assert sent[f'{name}-half'].error == error, name
        assert sent[f'{name}-half'].outputs == {'value': 'half'}, name
        assert sent[f'{name}-wrapped'].error == error, name
        assert (sent[f'{name}-half'].metadata.get('cancelled') is True) == (error == 'Cancelled')
        if error is not None:
            assert sent[f'{name}-by-hand'].error == error, name
    assert sent['function'].error == 'ValueError: no'


def test_outputs_of_functions():
    """What a function has set as outputs goes before its value, and with its error."""
    observer, transport = new_observer()

    @observer.traced
    def work(fails):
        Lsobs.get_current_run().outputs = {'so': 'far'}
        if fails:
            raise ValueError('no')
        return 'value'

    assert work(False) == 'value'
    assert_raises(ValueError, work, True)
    sent = get_sent(observer, transport)
    assert [run.outputs for run in sent] == [{'so': 'far'}] * 2
    assert [run.error for run in sent] == [None, 'ValueError: no']


# --- decorators --------------------------------------------------------------------------------------

def test_decorators():
    observer, transport = new_observer()

    class Agent:
        count = 0

        @staticmethod
        @observer.traced
        def below_static(a):
            return a

        @observer.traced
        @staticmethod
        def above_static(a):
            return a

        @classmethod
        @observer.traced
        def below_class(cls, a):
            return cls.__name__ + a

        @observer.traced
        @classmethod
        def above_class(cls, a):
            return cls.__name__ + a

        @property
        @observer.traced
        def below_property(self):
            return self.count

        @observer.traced
        @property
        def above_property(self):
            """Counts."""
            return self.count

        @above_property.setter
        def above_property(self, count):
            self.count = count

        @observer.traced
        @functools.cached_property
        def cached(self):
            self.count += 1
            return self.count

        @observer.traced
        def method(self, a, b=2):
            return [a, b]

        part = functools.partialmethod(method, b=3)

        @observer.traced(name='own-name', run_type='tool', tags='t', metadata={'k': 1})
        async def async_method(self, a):
            await asyncio.sleep(0)
            return a

        def __call__(self, a):
            return a

    class AsyncCallable:
        async def __call__(self, a):
            await asyncio.sleep(0)
            return a

    class GeneratorCallable:
        def __call__(self, n):
            yield from range(n)

    agent = Agent()
    assert agent.below_static(1) == Agent.above_static(1) == 1
    assert Agent.below_class('a') == agent.above_class('a') == 'Agenta'
    agent.above_property = 5
    assert agent.below_property == agent.above_property == 5
    assert Agent.above_property.__doc__ == 'Counts.'
    assert agent.cached == agent.cached == 6
    assert agent.method(1) == [1, 2] and agent.part(1) == [1, 3]
    assert asyncio.run(agent.async_method(1)) == 1
    assert observer.traced(agent)(7) == 7
    asynchronous = observer.traced(AsyncCallable())
    assert inspect.iscoroutinefunction(asynchronous) and asyncio.run(asynchronous(8)) == 8
    assert list(observer.traced(GeneratorCallable())(2)) == [0, 1]
    assert observer.traced(functools.partial(max, 3))(1) == 3

    async def double(a):
        return 2 * a

    assert asyncio.run(observer.traced(functools.partial(double, 4))()) == 8
    sent = get_sent(observer, transport)
    named = {run.name: run for run in sent}
    assert [run.name for run in sent].count('cached') == 1
    for name in ('below_static', 'above_static', 'below_class', 'above_class'):
        assert list(named[name].inputs) == ['a'], name
    assert named['above_property'].outputs == {'value': 5}
    assert named['own-name'].type == 'tool' and named['own-name'].tags == ['t']
    assert named['own-name'].metadata['k'] == 1 and named['own-name'].inputs == {'a': 1}
    assert named['Agent'].outputs == {'value': 7} and named['AsyncCallable'].outputs == {'value': 8}
    assert named['GeneratorCallable'].outputs == {'value': [0, 1]}
    assert named['max'].outputs == {'value': 3} and named['double'].outputs == {'value': 8}


# --- other threads and other times -------------------------------------------------------------------

def test_bind():
    observer, _ = new_observer()
    results = []

    def check(run, *more):
        assert_current(observer, run)
        results.append(more)
        return GLib.SOURCE_REMOVE

    async def check_later(run):
        await asyncio.sleep(0)
        assert_current(observer, run)
        return 'done'

    loop = GLib.MainLoop()
    with observer.run('outer') as outer:
        bound = Lsobs.bind(check)
        bound_async = Lsobs.bind(check_later)
        GLib.idle_add(Lsobs.bind(check), outer, 'idle')
    thread = threading.Thread(target=bound, args=(outer, 'thread'))
    thread.start()
    thread.join()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(bound, outer, 'executor').result()
        # the thread is as it was
        executor.submit(check, None, 'unbound').result()
    with observer.run('elsewhere'):
        bound(outer, 'block')
        Lsobs.bind(check, run=outer)(outer, 'run')
        assert asyncio.run(bound_async(outer)) == 'done'
    GLib.idle_add(lambda: loop.quit())
    loop.run()
    assert results == [('thread',), ('executor',), ('unbound',), ('block',), ('run',), ('idle',)]
    assert bound.__name__ == 'check' and inspect.iscoroutinefunction(bound_async)
    assert_raises(TypeError, Lsobs.bind, 7)
    # outside of all runs
    nowhere = Lsobs.bind(check)
    with observer.run('later'):
        nowhere(None)


def test_bind_generators():
    """The run is around each step of a bound generator, and not around its consumer."""
    observer, transport = new_observer()

    def generate(run, n_items):
        try:
            for number in range(n_items):
                assert_current(observer, run)
                with observer.run(f'step-{number}') as inner:
                    sent = yield number
                    assert_current(observer, inner)
            return sent
        finally:
            assert_current(observer, run)
            closed.append(run)

    async def generate_later(run, n_items):
        try:
            for number in range(n_items):
                assert_current(observer, run)
                yield number
                await asyncio.sleep(0)
        finally:
            assert_current(observer, run)
            closed.append(run)

    def consume(generator):
        assert_current(observer, None)
        assert next(generator) == 0
        assert_current(observer, None)
        assert generator.send('a') == 1
        with observer.run('consumer') as consumer:
            assert_raises(StopIteration, generator.send, 'b')
            assert_current(observer, consumer)

    async def consume_later(generator):
        items = []
        async for item in generator:
            assert_current(observer, None)
            items.append(item)
        return items

    closed = []
    with observer.run('outer') as outer:
        bound, bound_later = Lsobs.bind(generate), Lsobs.bind(generate_later)
    assert inspect.isgeneratorfunction(bound) and inspect.isasyncgenfunction(bound_later)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(consume, bound(outer, 2)).result()
    assert asyncio.run(consume_later(bound_later(outer, 3))) == [0, 1, 2]
    assert len(closed) == 2
    closed_early = bound(outer, 2)
    assert next(closed_early) == 0
    closed_early.close()
    assert len(closed) == 3
    assert list(Lsobs.bind(generate, run=outer)(outer, 1)) == [0]
    assert list(outer.run(generate, outer, 1)) == [0]
    assert asyncio.run(consume_later(outer.run(generate_later, outer, 1))) == [0]
    sent = get_sent(observer, transport)
    outer_id, = [run.id for run in sent if run.name == 'outer']
    parents = [run.parent_id for run in sent if run.name.startswith('step')]
    assert parents == [outer_id] * 5, parents


def test_run_run():
    observer, transport = new_observer()
    run = observer.start_run('run')

    def add(a, b=0):
        assert_current(observer, run)
        return a + b

    async def add_later(a):
        await asyncio.sleep(0)
        return add(a)

    def fail():
        raise ValueError('no')

    assert run.run(add, 1, b=2) == 3
    assert asyncio.run(run.run(add_later, 4)) == 4
    assert_raises(ValueError, run.run, fail)
    assert_current(observer, None)
    assert run.get_status() == Lsobs.RunStatus.RUNNING
    run.end()
    assert any(sent.name == 'run' and sent.error is None for sent in get_sent(observer, transport))


# --- without an observer in hand ---------------------------------------------------------------------

def test_default_observer():
    observer, transport = new_observer()
    other, other_transport = new_observer()
    Lsobs.set_default_observer(observer)
    assert Lsobs.get_default_observer() is observer

    @Lsobs.traced
    def plain():
        return 1

    @Lsobs.traced(run_type='tool', name='named')
    def tool():
        return plain()

    with Lsobs.run('block', {'q': 1}, 'chain', tags=['t'], metadata={'k': 2}) as run:
        tool()
        run.outputs = 'done'
    with other.run('other') as outer:
        plain()
        with Lsobs.run('inner') as inner:
            assert inner.dup_parent_id() == outer.dup_id()
    sent = get_named(observer, transport)
    assert sent['named'].parent_id == sent['block'].id and sent['plain'].parent_id == sent['named'].id
    assert sent['block'].tags == ['t'] and sent['block'].metadata['k'] == 2
    assert set(get_named(other, other_transport)) == {'other', 'inner', 'plain'}
    assert_raises(TypeError, Lsobs.set_default_observer, 'observer')
    Lsobs.set_default_observer(None)


DEFAULT_PROGRAM = '''
import os
import gi
gi.require_version('Lsobs', '1.0')
from gi.repository import Lsobs
with Lsobs.run('first') as run:
    print(run.is_sampled(), Lsobs.get_default_observer() is Lsobs.get_default_observer())
'''


def test_default_of_environment():
    """It is made at the first use; what is wrong with the environment is no end of the program."""
    for variables, said in (({}, 'False True\n'),
                            ({'LANGSMITH_TRACING': 'true'}, 'False True\n'),
                            ({'LANGSMITH_TRACING': 'true', 'LANGSMITH_API_KEY': 'key',
                              'LANGSMITH_ENDPOINT': 'http://127.0.0.1:1',
                              'LANGSMITH_EXIT_TIMEOUT_MS': '1'}, 'True True\n')):
        environment = {**os.environ, **variables, 'G_DEBUG': ''}
        answer = subprocess.run([sys.executable, '-c', DEFAULT_PROGRAM], env=environment, text=True,
                                capture_output=True, timeout=TIMEOUT_S, check=False)
        assert (answer.returncode, answer.stdout) == (0, said), answer


def test_tracing_context():
    observer, transport = new_observer()
    parent = observer.start_run('parent')
    with Lsobs.tracing_context(parent=parent, tags=['a'], metadata={'k': 1}):
        assert_current(observer, parent)
        with Lsobs.tracing_context(tags='b', metadata={'m': 2}), observer.run('both'):
            pass
        observer.start_nested_run('nested').end()
    with observer.run('outer') as outer:
        with Lsobs.tracing_context(parent=False):
            assert Lsobs.get_current_run() is None
            with observer.run('root') as root:
                assert_current(observer, root)
        with Lsobs.tracing_context(tags=['here']):
            assert_current(observer, outer)
    sent = {run.name: run for run in get_sent(observer, transport)}
    assert sent['both'].tags == ['a', 'b'] and sent['both'].parent_id == parent.dup_id()
    assert sent['both'].metadata['k'] == 1 and sent['both'].metadata['m'] == 2
    assert sent['nested'].tags == ['a'] and sent['outer'].tags == []
    assert sent['root'].parent_id is None


def test_tracing_context_project():
    observer, transport = new_observer()
    with observer.run('before') as before, Lsobs.tracing_context(project='inner'):
        # it is in a trace already
        observer.start_nested_run('below').end()
        observer.start_run('root', {'a': 1}, 'tool').end()
        observer.start_run('node', Json.from_string('[1]')).end()
        observer.start_run('word', {'a': 1}, 'agent').end()
    with Lsobs.tracing_context(project='outer'), observer.run('block'):
        with Lsobs.tracing_context(project='other', parent=False):
            observer.start_nested_run('nested').end()
        observer.start_nested_run('child').end()
    sent = get_named(observer, transport)
    assert {name: run.project for name, run in sent.items()} == {
        'before': 'python', 'below': 'python', 'root': 'inner', 'node': 'inner', 'word': 'inner',
        'block': 'outer', 'child': 'outer', 'nested': 'other'}, {n: r.project for n, r in sent.items()}
    assert sent['below'].parent_id == before.dup_id()
    assert sent['root'].inputs == {'a': 1} and sent['root'].type == 'tool'
    assert sent['word'].metadata['ls_run_kind'] == 'agent'


def start_roots(observer):
    """Roots that something else than a run of Python's starts."""
    start_in_c(observer, 'in-c', Lsobs.RunType.CHAIN, None).end()
    invocation = observer.begin_invocation('invocation', {'a': 1})
    invocation.on_node_start('step')
    invocation.on_node_end('step')
    invocation.end()
    observer.on_node_start('node', None)
    observer.on_node_end('node', None, -1)
    Lsobs.ModelCall.new(observer, None, 'http://localhost/v1/messages', b'{"model": "m"}').finish(200)
    message = Soup.Message.new('POST', 'http://localhost/v1/embeddings')
    observer.trace_message(message).end()


def test_tracing_context_reaches_all_roots():
    observer, transport = new_observer()
    with Lsobs.tracing_context(project='place', tags=['a']):
        start_roots(observer)
        bound = Lsobs.bind(start_in_c)
    bound(observer, 'later', Lsobs.RunType.CHAIN, None).end()
    start_in_c(observer, 'outside', Lsobs.RunType.CHAIN, None).end()
    sent = get_named(observer, transport)
    assert len(sent) == 8, sent
    assert {name for name, run in sent.items() if run.project != 'place'} == {'outside'}
    # C knows no tags
    assert {name for name, run in sent.items() if run.tags == ['a']} == set(sent) - {
        'in-c', 'step', 'node', 'later', 'outside'}, {n: r.tags for n, r in sent.items()}
    with Lsobs.tracing_context(enabled=False):
        start_roots(observer)
    assert not get_sent(observer, transport)


def test_tracing_context_off():
    observer, transport = new_observer()

    @observer.traced
    def work():
        return observer.start_nested_run('child').is_sampled()

    with observer.run('outer') as outer:
        with Lsobs.tracing_context(enabled=False):
            assert not work()
            assert not observer.start_run('root').is_sampled()
            in_c = start_in_c(observer, 'in-c', Lsobs.RunType.CHAIN, None)
            assert not in_c.is_sampled()
            with Lsobs.tracing_context(enabled=True):
                assert_current(observer, outer)
                with observer.run('on'):
                    pass
            assert not Lsobs.bind(work)()
    names = [run.name for run in get_sent(observer, transport)]
    assert sorted(names) == ['in-c', 'in-python', 'on', 'outer'], names


def test_tracing_context_is_async():
    observer, transport = new_observer()

    async def work():
        async with Lsobs.tracing_context(tags=['a']):
            await asyncio.sleep(0)
            async with observer.run('in'):
                pass

    asyncio.run(work())
    assert get_named(observer, transport)['in'].tags == ['a']


# --- C in all situations -----------------------------------------------------------------------------

FORK_PROGRAM = '''
import os
import sys
import gi
gi.require_version('Lsobs', '1.0')
from gi.repository import Lsobs
observer = Lsobs.Observer.new_with_transport(Lsobs.Config.new('key', 'p'), Lsobs.MemoryTransport.new())
start_in_c = Lsobs.Observer.__mro__[1].start_nested_run
with observer.run('outer') as outer:
    pid = os.fork()
    run = start_in_c(observer, 'in-c', Lsobs.RunType.CHAIN, None)
    assert run.dup_parent_id() == outer.dup_id()
    assert Lsobs.get_current_run() is outer
    if pid == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    run.end()
print('end')
'''

# Threads of C start runs while the interpreter ends.
EXIT_PROGRAM = '''
import atexit
import threading
import gi
gi.require_version('Lsobs', '1.0')
from gi.repository import Lsobs
observer = Lsobs.Observer.new_with_transport(Lsobs.Config.new('key', 'p'), Lsobs.MemoryTransport.new())
start_in_c = Lsobs.Observer.__mro__[1].start_nested_run
started = threading.Event()

def work():
    while True:
        start_in_c(observer, 'in-c', Lsobs.RunType.CHAIN, None).end()
        started.set()

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
print('end')
'''


def test_fork_and_exit():
    for program in (FORK_PROGRAM, EXIT_PROGRAM):
        answer = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                                timeout=TIMEOUT_S, check=False)
        assert (answer.returncode, answer.stdout) == (0, 'end\n'), answer


def test_no_leak():
    """The function that C asks gives it a reference of its own, which is dropped."""
    observer, transport = new_observer()
    with observer.run('outer') as outer:
        for _ in range(300):
            assert c_parent(observer) == outer.dup_id()
    before = len(get_sent(observer, transport))
    assert before == 301
    ended = []

    class Marked:
        def __del__(self):
            ended.append(True)

    with observer.run('held') as run:
        run.outputs = Marked()
        c_parent(observer)
    del run
    gc.collect()
    assert ended == [True]


# --- without the override ------------------------------------------------------------------------------

BARE_PROGRAM = '''
import sys
import gi
gi.require_version('Lsobs', '1.0')
from gi.repository import Lsobs
for _ in range(2):
    Lsobs.Config.new('key', 'bare')
sys.exit(hasattr(Lsobs, 'traced'))
'''


def run_bare(**variables):
    environment = {**os.environ, 'LC_ALL': 'C.UTF-8', **variables}
    return subprocess.run([sys.executable, '-c', BARE_PROGRAM], env=environment, capture_output=True,
                          text=True, timeout=TIMEOUT_S, check=False)


def test_missing_override():
    """Without it, the first object says once what to install; with it, nothing is said."""
    answer = run_bare()
    assert (answer.returncode, answer.stderr) == (1, ''), answer
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'sitecustomize.py'), 'w', encoding='utf-8') as file:
            file.write(HIDING)
        path = os.pathsep.join([folder] + os.environ.get('PYTHONPATH', '').split(os.pathsep))
        answer = run_bare(PYTHONPATH=path)
    assert answer.returncode == 0, answer
    assert answer.stderr.count('python3-lsobs') == 1, answer
    assert '--system-site-packages' in answer.stderr, answer


# Makes an interpreter that cannot find the override, wherever it is installed.
HIDING = '''
import importlib.util
import pkgutil

NAME = 'gi.overrides.Lsobs'
find_loader, find_spec = pkgutil.get_loader, importlib.util.find_spec
pkgutil.get_loader = lambda name: None if name == NAME else find_loader(name)
importlib.util.find_spec = lambda name, *more: None if name == NAME else find_spec(name, *more)
'''


# --- typing errors -----------------------------------------------------------------------------------

def test_typing_errors():
    """An option that is misspelt is an error at once."""
    observer, transport = new_observer()
    calls = [
        lambda: observer.run('a', run_tpye='tool'), lambda: observer.run('a', metdata={}),
        lambda: observer.traced(run_tpye='tool'), lambda: observer.traced(len, nmae='x'),
        lambda: observer.traced(tag=['x']), lambda: Lsobs.traced(observer, runtype='tool'),
        lambda: Lsobs.traced(meta={}), lambda: Lsobs.run('a', input=1),
        lambda: Lsobs.tracing_context(projct='x'), lambda: Lsobs.tracing_context(enable=False),
        lambda: Lsobs.bind(len, rnu=1), lambda: observer.start_run('a', runtype='tool'),
        lambda: observer.start_nested_run('a', tag=['x']),
        lambda: observer.start_run('a').start_child('b', kind='tool'),
        lambda: observer.start_run('a').end(output=1), lambda: observer.flush(time=1),
        lambda: observer.start_run('a').add_feedback('k', 1, coment='x'),
        lambda: Lsobs.Observer(python_helpers.new_config(), transprot=transport),
        lambda: Lsobs.Config(api_kye='x'), lambda: Lsobs.tracing_context(parent='x'),
        lambda: Lsobs.tracing_context(enabled='no'), lambda: Lsobs.tracing_context(project=7),
        lambda: observer.run('a', run_type=1.5), lambda: observer.run('a', metadata=['x']),
        lambda: observer.traced(metadata='x'), lambda: Lsobs.traced(observer='x'),
        lambda: observer.traced(7),
    ]
    for number, call in enumerate(calls):
        try:
            call()
        except TypeError:
            continue
        raise AssertionError(f'call {number} took a word that is none')
    with observer.run('a') as run:
        problem = assert_raises(AttributeError, setattr, run, 'output', 1)
        assert 'outputs' in str(problem)


if __name__ == '__main__':
    sys.exit(python_helpers.run_tests([
        test_current_run, test_two_observers, test_async, test_generator_block,
        test_async_generator_block, test_context_manager, test_traced_generators,
        test_traced_async_generator_breaks, test_ends, test_outputs_of_functions, test_decorators,
        test_bind, test_bind_generators, test_run_run, test_default_observer, test_default_of_environment,
        test_tracing_context, test_tracing_context_project,
        test_tracing_context_reaches_all_roots, test_tracing_context_off, test_tracing_context_is_async,
        test_fork_and_exit, test_no_leak, test_missing_override, test_typing_errors]))
