#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the override for Python adds to the API."""

import asyncio
import http
import inspect
import json
import subprocess
import sys
import threading

import gi

gi.require_version('Lsobs', '1.0')
gi.require_version('Json', '1.0')
gi.require_version('Soup', '3.0')
# pylint: disable=wrong-import-position
from gi.repository import Gio, GLib, Json, Lsobs, Soup

TIMEOUT = 120000
NEVER = 3600000


def text_of(json_node):
    return Json.to_string(json_node, False)


def new_config():
    """Flushes on demand only: on a busy machine, the default interval may pass within a test."""
    config = Lsobs.Config.new('key', 'python')
    config.set_flush_interval(NEVER)
    return config


def new_observer():
    transport = Lsobs.MemoryTransport.new()
    return Lsobs.Observer.new_with_transport(new_config(), transport), transport


def flush(observer, transport):
    """All runs by their names."""
    ok, _ = observer.flush(TIMEOUT)
    assert ok
    return {event.get_name(): event for event in transport.dup_events()}


def get_metadata(event):
    return event.get_extra().get_object().get_object_member('metadata')


def test_plain_values():
    observer, transport = new_observer()
    values = {'dict': ({'a': [1, 2.5, None, True, 'ü\n']}, '{"a":[1,2.5,null,true,"ü\\n"]}'),
              'list': ([1, 'two'], '{"value":[1,"two"]}'),
              'tuple': ((1,), '{"value":[1]}'),
              'string': ('text', '{"value":"text"}'),
              'empty': ('', '{"value":""}'),
              'number': (7, '{"value":7}'),
              'node': (Json.from_string('{"b": 1}'), '{"b":1}')}
    for name, (value, _) in values.items():
        run = observer.start_run(name, value)
        run.start_child(f'{name}-child', value, 'tool').end(value)
        run.end(value)
    observer.start_run('nothing', None).end(None)
    observer.start_run('nothing-at-all').end()
    events = flush(observer, transport)
    for name, (_, text) in values.items():
        for event in (events[name], events[f'{name}-child']):
            assert text_of(event.get_inputs()) == text, (name, text_of(event.get_inputs()))
            assert text_of(event.get_outputs()) == text, (name, text_of(event.get_outputs()))
        assert events[f'{name}-child'].get_parent_id() == events[name].get_id()
    for name in ('nothing', 'nothing-at-all'):
        empty = events[name].get_outputs()
        assert empty is None or text_of(empty) == '{}'


class Mute:
    def __repr__(self):
        raise RuntimeError('no')


def test_awkward_values():
    observer, transport = new_observer()
    cycle = {}
    cycle['again'] = cycle
    deep = []
    for _ in range(100000):
        deep = [deep]
    values = {'cycle': cycle, 'deep': deep, 'mute': Mute(), 'nan': float('nan'), 'huge': 10**30,
              'keys': {1: 'one', None: 2}, 'surrogate': 'a\ud800b', 'nul': 'a\0b',
              'bytes': b'\xff', 'set': {1}, 'digits': 10**6000, 'member': http.HTTPStatus.OK,
              'name \ud800\0': None}
    for name, value in values.items():
        run = observer.start_run(name, value, 'llm')
        run.set_metadata('value', value)
        run.set_extra('value', value)
        run.add_event('new_token', {'value': value})
        run.end({'value': value})
    # or freeing it would be the end of this program's stack
    while deep:
        deep = deep.pop()
    events = flush(observer, transport)
    assert set(events) == set(values) - {'name \ud800\0'} | {'name ?\ufffd'}
    assert text_of(events['member'].get_inputs()) == '{"value":200}'
    assert text_of(events['cycle'].get_inputs()) == '{"again":"<dict>"}'
    assert text_of(events['mute'].get_inputs()) == '{"value":"<Mute: no text, RuntimeError>"}'
    assert text_of(events['nan'].get_inputs()) == '{"value":"nan"}'
    assert text_of(events['huge'].get_inputs()) == '{"value":"' + str(10**30) + '"}'
    assert text_of(events['keys'].get_inputs()) == '{"1":"one","null":2}'
    assert text_of(events['surrogate'].get_inputs()) == '{"value":"a?b"}'
    assert text_of(events['bytes'].get_outputs()) == '{"value":"<1 byte>"}'


class Counted:
    n_looks = 0

    def __repr__(self):
        Counted.n_looks += 1
        return 'looked at'


def test_awkward_words():
    """A word that is no UTF-8 does not raise into the program."""
    observer, transport = new_observer()
    run = observer.start_run('run', 1, '\ud800')
    run.add_event('a\ud800\0')
    run.start_child('child', run_type='b\ud800').end()
    run.end()
    events = flush(observer, transport)
    assert json.loads(text_of(events['run'].get_events()))[0]['name'] == 'a?\ufffd'
    assert set(events) == {'run', 'child'}


def test_left_out():
    config = new_config()
    config.set_tracing_enabled(False)
    observer = Lsobs.Observer.new_with_transport(config, Lsobs.MemoryTransport.new())
    run = observer.start_run('run', {'value': Counted()})
    run.start_child('child', {'value': Counted()}, 'tool').end({'value': Counted()})
    with observer.run('block', {'value': Counted()}):
        observer.start_nested_run('nested', {'value': Counted()}, 'any').end()
    run.end({'value': Counted()})
    assert Counted.n_looks == 0
    observer, transport = new_observer()
    run = observer.start_run('run', {'value': Counted()})
    run.start_child('child', {'value': Counted()}, 'tool').end()
    run.end({'value': Counted()})
    assert Counted.n_looks == 3
    events = flush(observer, transport)
    assert text_of(events['run'].get_inputs()) == '{"value":"looked at"}'
    assert text_of(events['run'].get_outputs()) == '{"value":"looked at"}'
    assert text_of(events['child'].get_inputs()) == '{"value":"looked at"}'


def test_run_types():
    observer, transport = new_observer()
    types = {'default': None, 'word': 'retriever', 'member': Lsobs.RunType.PARSER}
    for name, run_type in types.items():
        observer.start_run(name, {}, run_type).end()
    observer.start_run('c-order', Lsobs.RunType.TOOL, {'a': 1}).end()
    observer.start_run('keyword', run_type='embedding', inputs=[1]).end()
    observer.start_run('other', {'b': 2}, 'agent').end()
    try:
        observer.start_run('wrong', {}, {})
        raise AssertionError('a dict was taken as a type')
    except TypeError:
        pass
    events = flush(observer, transport)
    assert {name: event.get_run_type().value_nick for name, event in events.items()} == {
        'default': 'chain', 'word': 'retriever', 'member': 'parser', 'c-order': 'tool',
        'keyword': 'embedding', 'other': 'chain'}
    assert text_of(events['c-order'].get_inputs()) == '{"a":1}'
    assert text_of(events['other'].get_inputs()) == '{"b":2}'
    assert get_metadata(events['other']).get_string_member('ls_run_kind') == 'agent'


def test_notes():
    observer, transport = new_observer()
    run = observer.start_run('run', run_type='llm')
    run.set_metadata('list', [1, {'a': None}])
    run.set_metadata('text', 'word')
    run.set_metadata('node', Json.from_string('[7]'))
    run.set_metadata(8, 'number')
    run.add_tag(9)
    assert run.add_attachment('log', 'text/plain', b'line')
    assert run.add_feedback('score', 1.0)
    usage = Lsobs.Usage.new_from_json({'usage': {'prompt_tokens': 3, 'completion_tokens': 4}})
    assert usage.get_total_tokens() == 7
    feedback = run.new_feedback('thumbs')
    feedback.set_value({'up': True})
    feedback.set_correction({'text': 'b'})
    feedback.set_source(Lsobs.FeedbackSource.MODEL, {'model': 'm'})
    assert observer.add_feedback(feedback)
    run.set_invocation_params({'temperature': 0.5})
    run.end()
    event = flush(observer, transport)['run']
    metadata = get_metadata(event)
    assert metadata.get_string_member('8') == 'number'
    assert list(event.get_tags()) == ['9']
    assert event.get_attachment('log')[0].get_data() == b'line'
    assert text_of(metadata.get_member('list')) == '[1,{"a":null}]'
    assert metadata.get_string_member('text') == 'word'
    assert text_of(metadata.get_member('node')) == '[7]'
    assert metadata.get_double_member('ls_temperature') == 0.5


def test_invocation():
    observer, transport = new_observer()
    graph = observer.begin_invocation('graph', {'q': 1})
    graph.on_node_start('node', {'a': 2})
    graph.on_tool_call('node', 'tool', 'call-1', [3])
    graph.on_tool_result('node', 'tool', 'call-1', {'b': 4})
    graph.on_node_end('node', 'done')
    graph.on_node_start('broken')
    graph.on_error('broken', ValueError('not so'))
    graph.end({'c': 5})
    observer.begin_invocation('failed').fail(LookupError('\ud800'))
    run = observer.start_run('run')
    run.fail(GLib.Error('as it was'))
    run = observer.start_run('exception')
    run.fail(OSError('gone'))
    events = flush(observer, transport)
    assert text_of(events['node'].get_inputs()) == '{"a":2}'
    assert text_of(events['node'].get_outputs()) == '{"value":"done"}'
    assert text_of(events['tool'].get_inputs()) == '{"value":[3]}'
    assert text_of(events['tool'].get_outputs()) == '{"b":4}'
    assert text_of(events['graph'].get_outputs()) == '{"c":5}'
    assert events['broken'].get_error_text() == 'ValueError: not so'
    assert events['failed'].get_error_text() == 'LookupError: ?'
    assert events['run'].get_error_text() == 'as it was'
    assert events['exception'].get_error_text() == 'OSError: gone'


def test_construction():
    memory = Lsobs.MemoryTransport()
    observer = Lsobs.Observer(config=new_config(), transport=memory)
    observer.start_run('run').end()
    assert observer.flush()[0]
    assert [event.get_name() for event in memory.dup_events()] == ['run']
    assert Lsobs.Exporter(Lsobs.Config.new('key', 'python')).flush(TIMEOUT)[0]
    assert Lsobs.Client(Lsobs.Config.new('key', 'python')).get_max_records() > 0
    for make in (Lsobs.Observer, Lsobs.Exporter, Lsobs.Client):
        config = new_config()
        config.set_redact_regex('(')
        try:
            make(config)
            raise AssertionError('a pattern that is none was taken')
        except GLib.Error as problem:
            assert problem.matches(Lsobs.Error.quark(), Lsobs.Error.INVALID_CONFIG)
        try:
            make()
            raise AssertionError('none needs a config')
        except TypeError:
            pass


def test_with():
    observer, transport = new_observer()
    with observer.run('outer', {'q': 1}, tags=['t'], metadata={'k': [1]}) as outer:
        with observer.run('inner', inputs=[1], run_type='llm') as inner:
            inner.outputs = {'text': 'a'}
        with observer.run('by-hand') as by_hand:
            by_hand.fail_with_message('so it is')
        other, other_transport = new_observer()
        with other.run('elsewhere'), observer.run('within'):
            pass
        outer.outputs = 'done'
    with observer.run('tag', tags='word'):
        pass
    with observer.run('later'):
        pass
    events = flush(observer, transport)
    outer = events['outer']
    for name in ('inner', 'by-hand', 'within'):
        assert events[name].get_parent_id() == outer.get_id(), name
    assert outer.get_parent_id() is None and events['later'].get_parent_id() is None
    assert flush(other, other_transport)['elsewhere'].get_parent_id() is None
    assert text_of(outer.get_outputs()) == '{"value":"done"}'
    assert text_of(events['inner'].get_outputs()) == '{"text":"a"}'
    assert events['inner'].get_run_type() == Lsobs.RunType.LLM
    assert events['by-hand'].get_error_text() == 'so it is'
    assert outer.get_extra() is not None
    assert text_of(get_metadata(outer).get_member('k')) == '[1]'
    assert list(outer.get_tags()) == ['t']
    assert list(events['tag'].get_tags()) == ['word']


def test_exception():
    observer, transport = new_observer()
    for problem in (ValueError('not so'), KeyboardInterrupt(), OSError('\ud800\0')):
        try:
            with observer.run('outer'):
                with observer.run(type(problem).__name__):
                    raise problem
            raise AssertionError('it was swallowed')
        except type(problem) as caught:
            assert caught is problem
    with observer.run('after'):
        pass
    events = flush(observer, transport)
    assert events['ValueError'].get_error_text() == 'ValueError: not so'
    assert events['KeyboardInterrupt'].get_error_text() == 'Cancelled'
    assert events['OSError'].get_error_text().startswith('OSError: ?')
    assert events['outer'].get_status() == Lsobs.RunStatus.FAILED
    assert events['after'].get_parent_id() is None


def test_threads():
    observer, transport = new_observer()
    n_threads = 8
    barrier = threading.Barrier(n_threads)

    def work(number):
        with observer.run(f'root-{number}'):
            barrier.wait()
            with observer.run(f'child-{number}'):
                barrier.wait()

    with observer.run('main'):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = flush(observer, transport)
    for number in range(n_threads):
        assert events[f'root-{number}'].get_parent_id() is None
        assert events[f'child-{number}'].get_parent_id() == events[f'root-{number}'].get_id()


def test_asyncio():
    observer, transport = new_observer()

    async def work(number, turns):
        with observer.run(f'task-{number}'):
            await turns.wait()
            with observer.run(f'step-{number}'):
                await asyncio.sleep(0)

    async def work_all():
        turns = asyncio.Event()
        with observer.run('all'):
            tasks = [asyncio.ensure_future(work(number, turns)) for number in range(5)]
            await asyncio.sleep(0)
            turns.set()
            await asyncio.gather(*tasks)

    asyncio.run(work_all())
    events = flush(observer, transport)
    for number in range(5):
        assert events[f'task-{number}'].get_parent_id() == events['all'].get_id()
        assert events[f'step-{number}'].get_parent_id() == events[f'task-{number}'].get_id()


def test_decorator():
    observer, transport = new_observer()

    @observer.traced
    def add(a, b=2):
        """Adds."""
        return a + b

    @observer.traced(run_type='tool', name='ask', metadata={'k': 1})
    async def ask_service(question, *more, **options):
        await asyncio.sleep(0)
        return [add(1), question, more, options]

    @Lsobs.traced(observer, run_type='retriever')
    def fail():
        raise LookupError('nothing')

    class Agent:
        @observer.traced
        def step(self, value):
            return value

    assert add.__name__ == 'add' and add.__doc__ == 'Adds.'
    assert asyncio.run(ask_service('q', 3, c=4)) == [3, 'q', (3,), {'c': 4}]
    assert Agent().step(5) == 5
    for wrong, problem in ((fail, LookupError), (lambda: add(b=1), TypeError)):
        try:
            wrong()
            raise AssertionError('it was swallowed')
        except problem:
            pass
    traced_dict = observer.traced(dict, name='dict')
    assert traced_dict(a=1) == {'a': 1}
    ok, _ = observer.flush(TIMEOUT)
    assert ok
    events = transport.dup_events()
    by_name = {event.get_name(): event for event in events if event.get_status() != Lsobs.RunStatus.FAILED}
    failed = {event.get_name(): event for event in events if event.get_status() == Lsobs.RunStatus.FAILED}
    assert text_of(by_name['ask'].get_inputs()) == '{"question":"q","more":[3],"options":{"c":4}}'
    assert text_of(by_name['ask'].get_outputs()) == '{"value":[3,"q",[3],{"c":4}]}'
    assert by_name['ask'].get_run_type() == Lsobs.RunType.TOOL
    assert by_name['add'].get_parent_id() == by_name['ask'].get_id()
    assert text_of(by_name['add'].get_inputs()) == '{"a":1}'
    assert text_of(by_name['add'].get_outputs()) == '{"value":3}'
    assert text_of(by_name['step'].get_inputs()) == '{"value":5}'
    assert failed['fail'].get_error_text() == 'LookupError: nothing'
    assert failed['add'].get_error_text().startswith('TypeError: ')


def get_events(observer, transport):
    ok, _ = observer.flush(TIMEOUT)
    assert ok
    return transport.dup_events()


def test_generators():
    observer, transport = new_observer()

    @observer.traced(run_type='retriever')
    def count(n):
        with observer.run('open'):
            for number in range(n):
                with observer.run('step'):
                    pass
                got = yield {'n': number}
                if got is not None:
                    yield [got]
        return 'all'

    def delegate():
        return (yield from count(2))

    with observer.run('consumer') as consumer:
        generator = count(3)
        assert next(generator) == {'n': 0}
        with observer.run('between'):
            pass
        assert generator.send('sent') == ['sent']
        assert [item['n'] for item in generator] == [1, 2]
        other = delegate()
        assert [next(other), next(other)] == [{'n': 0}, {'n': 1}]
        try:
            next(other)
            raise AssertionError('it did not end')
        except StopIteration as end:
            assert end.value == 'all'
        with observer.run('after'):
            pass
    assert inspect.isgeneratorfunction(count) and count.__name__ == 'count'
    # never begun
    count(7)
    events = get_events(observer, transport)
    named = {event.get_name(): event for event in events}
    counts = [event for event in events if event.get_name() == 'count']
    assert len(counts) == 2
    assert text_of(counts[0].get_inputs()) == '{"n":3}'
    assert counts[0].get_run_type() == Lsobs.RunType.RETRIEVER
    assert text_of(counts[0].get_outputs()) == '{"value":[{"n":0},["sent"],{"n":1},{"n":2}]}'
    assert text_of(counts[1].get_outputs()) == '{"value":[{"n":0},{"n":1}]}'
    opens = [event for event in events if event.get_name() == 'open']
    assert {event.get_parent_id() for event in opens} == {event.get_id() for event in counts}
    steps = [event for event in events if event.get_name() == 'step']
    assert {event.get_parent_id() for event in steps} == {event.get_id() for event in opens}
    for event in counts + [named['between'], named['after']]:
        assert event.get_parent_id() == consumer.dup_id(), event.get_name()


def test_generator_ends():
    observer, transport = new_observer()
    events = []

    @observer.traced
    def count(what):
        try:
            for number in range(3):
                yield number
                if what == 'fail':
                    raise LookupError('nothing')
        except KeyError:
            yield 'caught'
        finally:
            events.append(what)

    for number in count('break'):
        break
    closed = count('close')
    next(closed)
    closed.close()
    thrown = count('throw')
    next(thrown)
    assert thrown.throw(KeyError('k')) == 'caught'
    assert list(thrown) == []
    through = count('through')
    next(through)
    for wrong, problem in ((lambda: list(count('fail')), LookupError), (lambda: list(count()), TypeError),
                           (lambda: through.throw(ValueError('v')), ValueError)):
        try:
            wrong()
            raise AssertionError('it was swallowed')
        except problem:
            pass
    assert events == ['break', 'close', 'throw', 'fail', 'through']
    assert Lsobs.Run.get_thread_default() is None
    found = {}
    for event in get_events(observer, transport):
        inputs = event.get_inputs()
        what = inputs.get_object() if inputs is not None else None
        name = what.get_string_member('what') if what is not None and what.get_size() > 0 else None
        found[name] = event.get_error_text() or text_of(event.get_outputs())
    assert found[None].startswith('TypeError: ')
    del found[None]
    assert found == {'break': '{"value":[0]}', 'close': '{"value":[0]}', 'throw': '{"value":[0,"caught"]}',
                     'fail': 'LookupError: nothing', 'through': 'ValueError: v'}, found


def test_generator_bounds():
    observer, transport = new_observer()
    shared = {}

    @observer.traced
    def many():
        for number in range(1500):
            shared['n'] = number
            yield shared

    @observer.traced
    def large():
        for _ in range(5):
            yield 'x' * 1024 * 1024

    assert sum(1 for _ in many()) == 1500 and sum(1 for _ in large()) == 5
    events = flush(observer, transport)
    items = events['many'].get_outputs().get_object().get_array_member('value')
    # each as it was then
    assert items.get_length() == 1000
    assert items.get_object_element(999).get_int_member('n') == 999
    assert get_metadata(events['many']).get_int_member('items_left_out') == 500
    assert get_metadata(events['large']).get_int_member('items_left_out') == 2


def test_async_generators():
    observer, transport = new_observer()

    @observer.traced
    async def stream(name, n):
        for number in range(n):
            with observer.run(f'{name}-step'):
                await asyncio.sleep(0)
            yield f'{name}{number}'
        if name == 'bad':
            raise LookupError('nothing')

    async def consume(name):
        with observer.run(f'{name}-consumer'):
            async for _ in stream(name, 3):
                with observer.run(f'{name}-between'):
                    await asyncio.sleep(0)

    async def consume_all():
        await asyncio.gather(consume('a'), consume('b'))
        broken = stream('broken', 3)
        async for _ in broken:
            break
        await broken.aclose()
        try:
            async for _ in stream('bad', 1):
                pass
            raise AssertionError('it was swallowed')
        except LookupError:
            pass
        slow = stream('late', 3)
        await slow.__anext__()
        task = asyncio.ensure_future(slow.__anext__())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(consume_all())
    events = get_events(observer, transport)
    named = {event.get_name(): event for event in events}
    streams = {json.loads(text_of(event.get_inputs()))['name']: event
               for event in events if event.get_name() == 'stream'}
    for name in 'ab':
        consumer = named[f'{name}-consumer'].get_id()
        assert streams[name].get_parent_id() == consumer
        assert named[f'{name}-between'].get_parent_id() == consumer
        assert named[f'{name}-step'].get_parent_id() == streams[name].get_id()
        assert text_of(streams[name].get_outputs()) == f'{{"value":["{name}0","{name}1","{name}2"]}}'
    assert text_of(streams['broken'].get_outputs()) == '{"value":["broken0"]}'
    assert streams['bad'].get_error_text() == 'LookupError: nothing'
    assert streams['late'].get_error_text() == 'Cancelled'


def test_current_run():
    observer, transport = new_observer()

    def start_in_c(name):
        """As C does it: it knows nothing of blocks."""
        run = start_nested(observer, name, Lsobs.RunType.CHAIN, None)
        run.end()
        return run

    start_nested = Lsobs.Observer.__mro__[1].start_nested_run

    @observer.traced
    def call_c():
        start_in_c('in-function')

    # a program in C that calls
    host = observer.start_run('host')
    host.push_thread_default()
    with observer.run('block') as block:
        assert block.dup_parent_id() == host.dup_id()
        # and one in C that calls back
        called = block.start_child('called')
        called.push_thread_default()
        with observer.run('back') as back:
            assert back.dup_parent_id() == called.dup_id()
        called.pop_thread_default()
        with observer.run('inner') as inner:
            assert inner.dup_parent_id() == block.dup_id()
        nested = observer.start_nested_run('nested', {'a': 1}, 'tool')
        assert nested.dup_parent_id() == block.dup_id()
        call_c()
        assert Lsobs.Run.get_thread_default() == host
        # a block is nothing that was pushed, and C finds it all the same
        assert start_in_c('in-block').dup_parent_id() == block.dup_id()
    host.pop_thread_default()
    nested = observer.start_nested_run('alone', {'a': 1}, 'tool')
    assert nested.dup_parent_id() is None
    nested.end([2])
    events = flush(observer, transport)
    assert events['in-function'].get_parent_id() == events['call_c'].get_id()
    assert events['call_c'].get_parent_id() == events['block'].get_id()
    assert text_of(events['alone'].get_inputs()) == '{"a":1}'
    assert text_of(events['alone'].get_outputs()) == '{"value":[2]}'

    @observer.traced
    def leave_pushed():
        other = observer.start_nested_run('left')
        other.push_thread_default()
        return other

    def work(run, outputs, problem=None):
        assert Lsobs.get_current_run() is run
        with observer.run('wrapped-child') as child:
            assert child.dup_parent_id() == run.dup_id()
        run.outputs = outputs
        if problem is not None:
            raise problem

    assert observer.start_run('wrapped').wrap(work, [3])
    for problem in (KeyError('k'), GLib.Error('broken')):
        try:
            observer.start_run(type(problem).__name__).wrap(work, None, problem)
            raise AssertionError('it was swallowed')
        except type(problem) as caught:
            assert caught is problem
    events = flush(observer, transport)
    assert text_of(events['wrapped'].get_outputs()) == '{"value":[3]}'
    assert events['KeyError'].get_error_text() == "KeyError: 'k'"
    assert events['Error'].get_error_text() == 'broken'

    left = leave_pushed()
    left.pop_thread_default()
    assert Lsobs.Run.get_thread_default() is None


# Its own function is registered before the override is loaded, so it is called after all
# has been shut down.
EXIT_PROGRAM = '''
import atexit

def report():
    print('sent:', [event.get_name() for event in memory.dup_events()])

atexit.register(report)

import gi
gi.require_version('Lsobs', '1.0')
from gi.repository import Lsobs
memory = Lsobs.MemoryTransport.new()
observer = Lsobs.Observer.new_with_transport(Lsobs.Config.new('key', 'python'), memory)
with observer.run('last'):
    pass
'''


def test_failed_with_outputs():
    """What had come out, and why there is no more."""
    observer, transport = new_observer()
    cancelled = GLib.Error.new_literal(Gio.io_error_quark(), 'egal', Gio.IOErrorEnum.CANCELLED)
    observer.start_run('handle').fail_with_outputs(ValueError('broken'), {'so': 'far'})
    observer.start_run('nothing').fail_with_outputs(cancelled)
    for name, outputs, problem in (('block', ['half'], ValueError('no')),
                                   ('cancelled', None, cancelled)):
        try:
            with observer.run(name) as run:
                run.outputs = outputs
                raise problem
        except (ValueError, GLib.Error):
            pass
    events = flush(observer, transport)
    assert events['handle'].get_error_text() == 'ValueError: broken'
    assert text_of(events['handle'].get_outputs()) == '{"so":"far"}'
    assert events['nothing'].get_error_text() == 'Cancelled'
    assert events['block'].get_error_text() == 'ValueError: no'
    assert text_of(events['block'].get_outputs()) == '{"value":["half"]}'
    assert events['cancelled'].get_error_text() == 'Cancelled'


def test_model_calls():
    """The call of a model is below the block around it; bodies and answers are plain values."""
    observer, transport = new_observer()
    url = 'http://localhost/v1/chat/completions'
    body = json.dumps({'model': 'm', 'messages': []}).encode()

    def trace(parent=None):
        message = Soup.Message.new('POST', url)
        return observer.trace_message(message, body, parent).dup_parent_id()

    assert trace() is None
    with observer.run('outer') as outer:
        assert trace() == outer.dup_id()
        with observer.run('inner') as inner:
            assert trace() == inner.dup_id()
            assert trace(outer) == outer.dup_id()
            call = Lsobs.ModelCall.new(observer, None, url, body)
            assert call.get_run().dup_parent_id() == inner.dup_id()
            assert not inner.set_usage_from_response({'choices': [], 'usage': None})
            assert inner.set_usage_from_response({'usage': {'prompt_tokens': 3}})
            call = None
    assert flush(observer, transport)['chat m'].get_error_text() == 'Incomplete answer'


def raises(kind, function, *arguments, **keywords):
    """The text of the exception."""
    try:
        function(*arguments, **keywords)
    except kind as problem:
        return str(problem)
    raise AssertionError(f'no {kind.__name__}')


def test_outputs_by_hand():
    """What is assigned to a run that the program ends itself is there without another word."""
    observer, transport = new_observer()
    names = ('end', 'fail', 'error', 'child', 'argument', 'exception')
    runs = {name: observer.start_run(name) for name in names if name != 'child'}
    runs['child'] = runs['end'].start_child('child')
    for name, run in runs.items():
        run.outputs = {'of': name}
    runs['child'].end()
    runs['end'].end()
    # the second one has nothing to add
    runs['end'].end()
    runs['fail'].fail(ValueError('no'))
    runs['error'].fail(GLib.Error.new_literal(Gio.io_error_quark(), 'gone',
                                              Gio.IOErrorEnum.NOT_FOUND))
    runs['argument'].end({'by': 'hand'})
    runs['exception'].fail_with_exception(ValueError('so'))
    events = flush(observer, transport)
    for name in names:
        expected = '{"by":"hand"}' if name == 'argument' else f'{{"of":"{name}"}}'
        assert text_of(events[name].get_outputs()) == expected, name
    assert events['fail'].get_error_text() == 'ValueError: no'
    assert get_metadata(events['error']).get_string_member('error_domain') == 'g-io-error-quark'
    assert observer.dup_stats().get(Lsobs.Counter.LATE_UPDATES) == 1


def has_cause(event):
    extra = event.get_extra()
    members = extra.get_object().get_members() if extra is not None else []
    return 'metadata' in members and 'error_domain' in get_metadata(event).get_members()


def test_exceptions_have_no_domain():
    observer, transport = new_observer()
    observer.start_run('plain').fail(ValueError('no'))
    observer.start_run('outputs').fail_with_outputs(ValueError('no'), {'so': 'far'})
    graph = observer.begin_invocation('graph')
    graph.fail(ValueError('no'))
    observer.start_run('error').fail(GLib.Error.new_literal(Gio.io_error_quark(), 'gone', 1))
    events = flush(observer, transport)
    found = {name: has_cause(event) for name, event in events.items()}
    assert found == {'plain': False, 'outputs': False, 'graph': False, 'error': True}, found


def test_ids():
    observer, _ = new_observer()
    root = observer.start_run('root')
    child = root.start_child('child')
    assert (root.id, root.trace_id) == (root.dup_id(), root.dup_id())
    assert (child.id, child.trace_id) == (child.dup_id(), root.id)
    for name in ('id', 'trace_id', 'error'):
        assert name in raises(AttributeError, setattr, child, name, 'x')


def test_start_options():
    """A start takes what a block does."""
    observer, transport = new_observer()
    options = {'run_type': 'tool', 'tags': ['a', 'b'], 'metadata': {'k': [1]}, 'thread_id': 't-1'}
    root = observer.start_run('root', {'q': 1}, project='elsewhere', **options)
    root.start_child('child', **options).end()
    root.end()
    observer.start_nested_run('nested', **options).end()
    with observer.run('block', **options):
        pass
    Lsobs.set_default_observer(observer)
    try:
        with Lsobs.run('default block', **options):
            pass
        Lsobs.start_run('default root', {'q': 2}, **options).end()
        call = Lsobs.trace_message(Soup.Message.new('POST', 'http://localhost/v1/chat/completions'),
                                   parent=root)
        assert call.dup_parent_id() == root.id
        call.fail(ValueError('not sent'))
    finally:
        Lsobs.set_default_observer(None)
    events = flush(observer, transport)
    for name in ('root', 'child', 'nested', 'block', 'default block', 'default root'):
        event = events[name]
        assert event.get_run_type() == Lsobs.RunType.TOOL, name
        assert list(event.get_tags()) == ['a', 'b'], name
        metadata = get_metadata(event)
        assert text_of(metadata.get_member('k')) == '[1]', name
        assert metadata.get_string_member('thread_id') == 't-1', name
    assert events['root'].get_project_name() == 'elsewhere'
    assert events['child'].get_parent_id() == events['root'].get_id()
    n_runs = len(transport.dup_events())
    for start in (observer.start_run, observer.start_nested_run, root.start_child, observer.run):
        assert 'thread_id' in raises(TypeError, start, 'wrong', thread_id=3)
        assert 'metadata' in raises(TypeError, start, 'wrong', metadata=3)
        raises(TypeError, start, 'wrong', tag='typing error')
    assert 'project' in raises(TypeError, observer.start_run, 'wrong', project=3)
    assert len(flush(observer, transport)) <= n_runs


def test_argument_errors():
    observer, _ = new_observer()
    message = Soup.Message.new('POST', 'http://localhost/v1/chat/completions')
    for body in ('text', {'a': 1}, 5):
        text = raises(TypeError, observer.trace_message, message, body)
        assert text.startswith('body must be bytes'), text
    assert 'data must be bytes' in raises(
        TypeError, observer.start_run('run').add_attachment, 'a', 'text/plain', 'text')
    run = observer.start_run('run')
    for score in ('up', None, {}):
        text = raises(TypeError, run.add_feedback, 'thumb', score=score)
        assert text.startswith('score is a number') and 'set_value' in text, text
    assert run.add_feedback('thumb', True)


def test_exit():
    answer = subprocess.run([sys.executable, '-c', EXIT_PROGRAM], capture_output=True, text=True,
                            timeout=TIMEOUT / 1000, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "sent: ['last']\n", answer.stdout
    assert answer.stderr == '', answer.stderr


def main():
    tests = [test_plain_values, test_awkward_values, test_awkward_words, test_left_out, test_run_types, test_notes,
             test_invocation, test_construction, test_with,
             test_exception, test_threads, test_asyncio, test_decorator,
             test_generators, test_generator_ends, test_generator_bounds, test_async_generators,
             test_current_run, test_failed_with_outputs, test_model_calls,
             test_outputs_by_hand, test_exceptions_have_no_domain, test_ids, test_start_options,
             test_argument_errors, test_exit]
    failed = False
    print(f'1..{len(tests)}', flush=True)
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} {test.__name__}', flush=True)
        except Exception as problem:  # pylint: disable=broad-except
            line = problem.__traceback__.tb_next.tb_lineno
            print(f'# line {line}: {type(problem).__name__}: {problem}')
            print(f'not ok {number} {test.__name__}', flush=True)
            failed = True
    return failed


sys.exit(main())
