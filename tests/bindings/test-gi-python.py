#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API as Python sees it through GObject Introspection."""

import base64
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading

import gi

gi.require_version('Lsobs', '1.0')
gi.require_version('Json', '1.0')
gi.require_version('Soup', '3.0')
# pylint: disable=wrong-import-position
from gi.repository import Gio, GLib, GObject, Json, Lsobs, Soup

TIMEOUT = 120000
NEVER = 3600000


def node(text):
    return Json.from_string(text)


def text_of(json_node):
    return Json.to_string(json_node, False)


def new_observer(**properties):
    config = Lsobs.Config.new('key', 'python')
    # on a busy machine, the default may pass within a test
    config.set_flush_interval(NEVER)
    for name, value in properties.items():
        config.set_property(name, value)
    transport = Lsobs.MemoryTransport.new()
    return Lsobs.Observer.new_with_transport(config, transport), transport


def events_by_name(transport):
    return {event.get_name(): event for event in transport.dup_events()}


def test_run():
    observer, transport = new_observer()
    run = observer.start_run('parent', Lsobs.RunType.CHAIN, node('{"question": "6*7"}'))
    child = run.start_child('child', Lsobs.RunType.LLM, None)
    child.set_usage(3, 4, 7)
    child.fail_with_message('out of tokens')
    run.end(node('[42]'))
    ok, stats = observer.flush(TIMEOUT)
    assert ok
    assert stats.runs_flushed == 2 and stats.runs_failed == 0

    events = events_by_name(transport)
    assert set(events) == {'parent', 'child'}
    assert events['child'].get_parent_id() == run.dup_id() == events['parent'].get_id()
    assert events['child'].get_run_type() == Lsobs.RunType.LLM
    assert events['child'].get_status() == Lsobs.RunStatus.FAILED
    assert events['child'].get_error_text() == 'out of tokens'
    assert events['parent'].get_status() == Lsobs.RunStatus.COMPLETED
    assert text_of(events['parent'].get_inputs()) == '{"question":"6*7"}'
    assert text_of(events['parent'].get_outputs()) == '{"value":[42]}'


def test_usage():
    observer, transport = new_observer()
    run = observer.start_run('call', Lsobs.RunType.LLM, None)
    run.set_thread_id('t-1')
    run.set_model('anthropic', 'claude')
    run.set_invocation_params(node('{"temperature": 0, "api_key": "telltale", "top_k": 5}'))
    usage = Lsobs.Usage.new_from_json(node('{"usage": {"input_tokens": 1, "output_tokens": 2,'
                                           ' "cache_read_input_tokens": 9}}'))
    assert usage.get_input_tokens() == 10
    assert usage.set_total_cost(0.5)
    try:
        usage.set_input_token_detail('reasoning', 1)
        raise AssertionError('nothing was raised')
    except GLib.Error as error:
        assert error.matches(Lsobs.error_quark(), Lsobs.Error.INVALID_VALUE), error
    run.set_usage_metadata(usage)
    run.set_extra('runtime', node('{"runtime": "python"}'))
    run.end(None)
    observer.flush(TIMEOUT)

    extra = events_by_name(transport)['call'].get_extra().get_object()
    assert extra.get_object_member('runtime').get_string_member('runtime') == 'python'
    metadata = extra.get_object_member('metadata')
    assert text_of(metadata.get_member('usage_metadata')) == (
        '{"input_tokens":10,"output_tokens":2,"total_tokens":12,'
        '"input_token_details":{"cache_read":9},"total_cost":0.5}')
    assert metadata.get_int_member('ls_temperature') == 0
    assert text_of(metadata.get_member('ls_invocation_params')) == '{"top_k":5}'


def test_graph():
    observer, transport = new_observer()
    invocation = observer.begin_invocation('graph', None)
    invocation.on_node_start('agent', node('{}'))
    invocation.on_tool_call('agent', 'calculator', 'call-1', node('{"a": 1}'))
    invocation.on_tool_call('agent', 'calculator', 'call-2', node('{"a": 2}'))
    invocation.on_tool_result('agent', 'calculator', 'call-2', node('"two"'))
    invocation.on_tool_result('agent', 'calculator', 'call-1', node('"one"'))
    invocation.on_node_end('agent', node('{}'), 12)
    invocation.end(node('{"answer": true}'))
    observer.flush(TIMEOUT)

    events = transport.dup_events()
    names = sorted(event.get_name() for event in events)
    assert names == ['agent', 'calculator', 'calculator', 'graph'], names
    by_name = events_by_name(transport)
    assert by_name['agent'].get_parent_id() == by_name['graph'].get_id()
    tools = [event for event in events if event.get_name() == 'calculator']
    assert all(tool.get_parent_id() == by_name['agent'].get_id() for tool in tools)
    answers = {text_of(tool.get_inputs()): text_of(tool.get_outputs()) for tool in tools}
    assert answers == {'{"a":1}': '{"value":"one"}', '{"a":2}': '{"value":"two"}'}, answers


class Recorder(GObject.Object, Lsobs.GraphObserver):
    """An observer for an engine that is written against the interface."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def do_on_node_start(self, node_id, _input):
        self.calls.append(('start', node_id))

    def do_on_node_end(self, node_id, output, duration_ms):
        self.calls.append(('end', node_id, text_of(output), duration_ms))

    def do_on_error(self, node_id, error):
        self.calls.append(('error', node_id, error.message))


def test_interface():
    recorder = Recorder()
    Lsobs.GraphObserver.on_node_start(recorder, 'a', node('{}'))
    Lsobs.GraphObserver.on_node_end(recorder, 'a', node('1'), 5)
    Lsobs.GraphObserver.on_error(recorder, 'b', GLib.Error.new_literal(
        Lsobs.error_quark(), 'broken', Lsobs.Error.REJECTED))
    # left out by this observer
    Lsobs.GraphObserver.on_tool_call(recorder, 'a', 'tool', None, None)
    assert recorder.calls == [('start', 'a'), ('end', 'a', '1', 5), ('error', 'b', 'broken')]


class Never(GObject.Object, Lsobs.Sampler):
    """A sampler that leaves out every trace."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def do_should_sample(self, trace_id):
        self.asked.append(trace_id)
        return False


def test_sampler():
    never = Never()
    observer, transport = new_observer(sampler=never)
    run = observer.start_run('left-out', Lsobs.RunType.CHAIN, None)
    child = run.start_child('left-out-too', Lsobs.RunType.TOOL, None)
    assert not run.is_sampled() and not child.is_sampled()
    child.end(None)
    run.end(None)
    observer.flush(TIMEOUT)
    assert transport.dup_events() == []
    assert never.asked == [run.dup_trace_id()]
    assert observer.dup_stats().get(Lsobs.Counter.UNSAMPLED) == 2


def test_current_run():
    observer, transport = new_observer()
    assert Lsobs.Run.get_thread_default() is None
    run = observer.start_nested_run('outer', Lsobs.RunType.CHAIN, None)
    run.push_thread_default()
    assert Lsobs.Run.get_thread_default() == run
    observer.start_nested_run_of_kind('inner', 'agent', None).end(None)
    threads = []
    thread = threading.Thread(target=lambda: threads.append(Lsobs.Run.ref_thread_default()))
    thread.start()
    thread.join()
    assert threads == [None]
    run.pop_thread_default()
    assert Lsobs.Run.get_thread_default() is None

    task = Gio.Task.new(None, None, None, None)
    assert Lsobs.task_get_run(task) is None
    Lsobs.task_set_run(task, run)
    assert Lsobs.task_get_run(task) == run
    observer.start_nested_run('root', Lsobs.RunType.CHAIN, None).end(None)
    run.end(None)
    observer.flush(TIMEOUT)
    events = events_by_name(transport)
    assert events['inner'].get_parent_id() == run.dup_id()
    assert events['root'].get_parent_id() is None


ANSWER = b"""data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"4"}}]}

data: {"choices":[{"index":0,"delta":{"content":"2"},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}

data: [DONE]

"""
REQUEST = GLib.Bytes.new(b'{"model": "m", "stream": true, "stream_options": {"include_usage": true},'
                         b' "messages": [{"role": "user", "content": "6*7?"}]}')


class Model(http.server.BaseHTTPRequestHandler):
    """A model on this machine."""

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200)
        self.send_header('Content-Length', str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


def new_message(server):
    message = Soup.Message.new(
        'POST', f'http://127.0.0.1:{server.server_port}/v1/chat/completions?key=telltale')
    message.set_request_body_from_bytes('application/json', REQUEST)
    return message


def read_all(stream):
    data = b''
    while True:
        piece = stream.read_bytes(7, None).get_data()
        if not piece:
            return data
        data += piece


def call_models(observer, server):
    session = Soup.Session()
    loop = GLib.MainLoop()
    results = []

    message = new_message(server)
    observer.trace_message(message, REQUEST, None).add_tag('python')
    assert read_all(Lsobs.session_send(session, message, None)) == ANSWER

    message = new_message(server)
    observer.trace_message(message, REQUEST, None)
    assert Lsobs.session_send_and_read(session, message, None).get_data() == ANSWER

    message = new_message(server)
    observer.trace_message(message, REQUEST, None)
    stream = Lsobs.message_wrap_response(message, session.send(message, None))
    assert read_all(stream) == ANSWER

    def sent(_source, result):
        results.append(read_all(Lsobs.session_send_finish(result)))
        loop.quit()

    message = new_message(server)
    observer.trace_message(message, REQUEST, None)
    Lsobs.session_send_async(session, message, GLib.PRIORITY_DEFAULT, None, sent)
    loop.run()
    assert results == [ANSWER]


def test_model_call():
    observer, transport = new_observer()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        call_models(observer, server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    call = Lsobs.ModelCall.new(observer, None, 'http://localhost/v1/chat/completions', REQUEST)
    call.feed(ANSWER)
    call.finish(200)
    observer.flush(TIMEOUT)
    events = transport.dup_events()
    assert len(events) == 5
    for event in events:
        assert event.get_name() == 'chat m'
        assert event.get_error_text() is None
        outputs = json.loads(text_of(event.get_outputs()))
        assert outputs['choices'][0]['message']['content'] == '42'
        extra = text_of(event.get_extra())
        assert json.loads(extra)['metadata']['usage_metadata']['total_tokens'] == 4
        assert 'telltale' not in extra


def test_usage_from_response():
    observer, transport = new_observer()
    run = observer.start_run('chat', Lsobs.RunType.LLM, None)
    assert not run.set_usage_from_response(node('{"choices": [], "usage": null}'))
    assert run.set_usage_from_response(node('{"prompt_eval_count": 26, "eval_count": 298}'))
    run.fail_with_outputs(GLib.Error.new_literal(Gio.io_error_quark(), 'egal',
                                                 Gio.IOErrorEnum.CANCELLED), node('{"so": "far"}'))
    observer.flush(TIMEOUT)
    event = events_by_name(transport)['chat']
    assert event.get_error_text() == 'Cancelled'
    assert json.loads(text_of(event.get_outputs())) == {'so': 'far'}
    metadata = json.loads(text_of(event.get_extra()))['metadata']
    assert metadata['cancelled'] is True
    assert metadata['usage_metadata']['total_tokens'] == 324


def test_flush_async():
    observer, transport = new_observer()
    loop = GLib.MainLoop()
    results = []

    def flushed(source, result):
        results.append(source.flush_finish(result))
        loop.quit()

    observer.start_run('run', Lsobs.RunType.CHAIN, None).end(None)
    observer.flush_async(TIMEOUT, None, flushed)
    loop.run()
    ok, stats = results[0]
    assert ok and stats.runs_flushed == 1
    assert [event.get_name() for event in transport.dup_events()] == ['run']


def test_errors():
    config = Lsobs.Config.new('key', 'python')
    config.set_api_url('ftp://example.org')
    try:
        Lsobs.Observer.new(config)
        raise AssertionError('a wrong address was taken')
    except GLib.Error as error:
        assert error.matches(Lsobs.error_quark(), Lsobs.Error.INVALID_CONFIG), error

    observer, transport = new_observer(max_attempts=1)
    transport.fail_next(1, GLib.Error.new_literal(Lsobs.error_quark(), 'broken',
                                                  Lsobs.Error.REFUSED))
    observer.start_run('lost', Lsobs.RunType.CHAIN, None).end(None)
    try:
        observer.flush(TIMEOUT)
        raise AssertionError('the loss was not told')
    except GLib.Error as error:
        assert error.matches(Lsobs.flush_error_quark(), Lsobs.FlushError.PERMANENT), error
    stats = observer.dup_stats()
    assert stats.get_dropped(Lsobs.DropReason.REJECTED) == 1
    assert stats.get_total_dropped() == 1


def test_attachment():
    observer, transport = new_observer()
    run = observer.start_run('run', Lsobs.RunType.CHAIN, None)
    assert run.add_attachment('log', 'text/plain', GLib.Bytes.new(b'line'))
    try:
        run.add_attachment('', None, GLib.Bytes.new(b'line'))
        raise AssertionError('a wrong name was taken')
    except GLib.Error as error:
        assert error.matches(Lsobs.error_quark(), Lsobs.Error.INVALID_ATTACHMENT), error
    run.end(None)
    observer.flush(TIMEOUT)
    event = events_by_name(transport)['run']
    assert event.dup_attachment_names() == ['log']
    data, mime_type = event.get_attachment('log')
    assert data.get_data() == b'line' and mime_type == 'text/plain'
    assert event.get_attachment('other') == (None, None)


def test_feedback():
    observer, transport = new_observer()
    run = observer.start_run('run', Lsobs.RunType.CHAIN, None)
    run.end(None)
    assert run.add_feedback('helpful', 0.5, None)
    feedback = Lsobs.Feedback.new(run.dup_id(), run.dup_trace_id(), 'right')
    feedback.set_score_boolean(True)
    feedback.set_correction(node('{"answer": 43}'))
    feedback.set_source(Lsobs.FeedbackSource.MODEL, None)
    assert observer.add_feedback(feedback)
    observer.flush(TIMEOUT)
    sent = [event.get_feedback().get_object() for event in transport.dup_events()
            if event.get_kind() == Lsobs.RunEventKind.FEEDBACK]
    assert [one.get_string_member('key') for one in sent] == ['helpful', 'right']
    assert sent[0].get_double_member('score') == 0.5
    assert sent[1].get_boolean_member('score') is True
    assert sent[1].get_string_member('id') == feedback.get_id()
    assert sent[1].get_string_member('run_id') == run.dup_id()


class Lines(GObject.Object, Lsobs.Transport):
    """A transport that keeps each record as text."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def do_send_async(self, batch, cancellable, callback, *_):
        for i in range(batch.get_n_records()):
            self.lines.append((batch.get_record_kind(i), batch.get_record_id(i),
                               batch.get_record_json(i).get_data().decode()))
        task = Gio.Task.new(self, cancellable, lambda source, result, *_: callback(source, result))
        task.return_boolean(True)

    def do_send_finish(self, result):
        return result.propagate_boolean()


def test_transport():
    transport = Lines()
    config = Lsobs.Config.new('key', 'python')
    config.set_flush_interval(NEVER)
    observer = Lsobs.Observer.new_with_transport(config, transport)
    run = observer.start_run('run', Lsobs.RunType.CHAIN, node('["é"]'))
    observer.flush(TIMEOUT)
    run.end(None)
    observer.shutdown(TIMEOUT)
    kinds, ids, texts = zip(*transport.lines)
    assert kinds == (Lsobs.RunEventKind.START, Lsobs.RunEventKind.UPDATE)
    assert ids == (run.dup_id(), run.dup_id())
    assert [json.loads(text)['id'] for text in texts] == list(ids)
    assert 'é' in texts[0] and all('\n' not in text for text in texts)


def test_json():
    assert text_of(Lsobs.json_redact(node('{"a": ["my secret"]}'), GLib.Regex.new(
        'secret', GLib.RegexCompileFlags.DEFAULT, GLib.RegexMatchFlags.DEFAULT))) == '{"a":["my [REDACTED]"]}'
    assert text_of(Lsobs.json_truncate(node('["abcdef"]'), 3)) == '["abc"]'
    assert text_of(Lsobs.json_ensure_object(node('1'))) == '{"value":1}'


def test_headers():
    observer, transport = new_observer(trust_incoming_headers=True)
    run = observer.start_run('call', Lsobs.RunType.TOOL, None)
    run.propagate_metadata('thread_id')
    run.set_metadata_string('thread_id', 't-77')
    headers = run.to_headers()
    assert headers['langsmith-trace'] == run.dup_dotted_order()
    assert headers['baggage'].endswith('%22%7D,langsmith-project=python'), headers
    served = observer.start_run_from_headers({'Baggage': headers['baggage'],
                                              'Langsmith-Trace': headers['langsmith-trace'],
                                              'Host': 'example.org'}, 'served', Lsobs.RunType.CHAIN, None)
    assert served.dup_parent_id() == run.dup_id()
    alone = observer.start_run_from_headers(None, 'alone', Lsobs.RunType.CHAIN, None)
    assert alone.dup_parent_id() is None

    message = Soup.Message.new('GET', 'http://127.0.0.1/')
    run.add_to_message(message)
    assert message.get_request_headers().get_one('baggage') == headers['baggage']
    again = observer.start_run_from_message_headers(message.get_request_headers(), 'again',
                                                    Lsobs.RunType.CHAIN, None)
    assert again.dup_trace_id() == run.dup_id()
    for one in (again, alone, served, run):
        one.end(None)
    observer.flush(TIMEOUT)
    metadata = events_by_name(transport)['served'].get_extra().get_object().get_object_member('metadata')
    assert metadata.get_string_member('thread_id') == 't-77'


class Service(http.server.BaseHTTPRequestHandler):
    """Takes what it gets, unless it is out of order."""

    def answer(self):
        length = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(length)
        self.server.requests.append((self.command, self.path, self.headers, body))
        answer = b'{}'
        self.send_response(404 if self.command == 'GET' else self.server.status)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_arguments):  # pylint: disable=arguments-differ
        pass


class Served:
    """A service on this machine, as long as the block is run."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Service)
        self.server.daemon_threads = True
        self.server.requests = []
        self.server.status = 202
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self.server

    def __exit__(self, *_problem):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def new_served_config(server):
    config = Lsobs.Config.new('the-key', 'python')
    config.set_api_url(f'http://127.0.0.1:{server.server_address[1]}')
    config.set_flush_interval(NEVER)
    return config


def get_posts(server):
    return [request for request in server.requests if request[0] == 'POST']


def test_http():
    with Served() as server:
        config = new_served_config(server)
        config.set_ingest_mode(Lsobs.IngestMode.RUNS)
        observer = Lsobs.Observer.new(config)
        observer.start_run('over-http', Lsobs.RunType.CHAIN, None).end(None)
        ok, stats = observer.shutdown(TIMEOUT)
        assert ok and stats.runs_flushed == 1
    posts = get_posts(server)
    assert [path for _, path, _, _ in posts] == ['/runs'], posts
    assert posts[0][2]['x-api-key'] == 'the-key'
    assert b'"over-http"' in posts[0][3]


def replay(client):
    loop = GLib.MainLoop()
    answers = []

    def done(source, result):
        answers.append(source.replay_finish(result))
        loop.quit()

    client.replay_async(None, None, done)
    loop.run()
    return answers[0]


def test_check():
    loop = GLib.MainLoop()
    reports = []

    def done(_source, result):
        reports.append(json.loads(Json.to_string(Lsobs.Client.check_finish(result), False)))
        loop.quit()

    with Served() as server:
        config = new_served_config(server)
        Lsobs.Client.check_async(config, None, done)
        loop.run()
        assert reports[0][0]['has_key'] and reports[0][0]['info']['status'] != 0, reports
        assert reports[0][0]['ingest']['status'] == 202, reports


def test_replay():
    with Served() as server, tempfile.TemporaryDirectory() as directory:
        config = new_served_config(server)
        config.set_failed_traces_dir(directory)
        observer = Lsobs.Observer.new(config)
        server.status = 405
        observer.start_run('lost', Lsobs.RunType.CHAIN, None).end(None)
        try:
            observer.shutdown(TIMEOUT)
            assert False
        except GLib.Error as error:
            assert error.matches(Lsobs.flush_error_quark(), Lsobs.FlushError.PERMANENT)
        with open(os.path.join(directory, os.listdir(directory)[0]), encoding='utf-8') as file:
            kept = json.load(file)
        assert kept['version'] == 1 and kept['endpoint'] == 'runs/multipart'
        body = base64.b64decode(kept['body_base64'])
        assert b'"lost"' in body

        client = Lsobs.Client.new(config)
        answer = replay(client)
        assert (answer.n_delivered, answer.n_failed) == (0, 1)
        server.status = 202
        answer = replay(client)
        assert (answer.n_delivered, answer.n_failed) == (1, 0)
        assert not os.listdir(directory)
        assert get_posts(server)[-1][3] == body


def signalled_program(port):
    """Runs in a process of its own, which a signal ends."""
    Lsobs.install_signal_handlers([signal.SIGTERM])
    config = Lsobs.Config.new('the-key', 'python')
    config.set_api_url(f'http://127.0.0.1:{port}')
    config.set_flush_interval(NEVER)
    observer = Lsobs.Observer.new(config)
    observer.start_run('before-the-signal', Lsobs.RunType.CHAIN, None).end(None)
    print('ready', flush=True)
    while True:
        signal.pause()


def test_signals():
    with Served() as server:
        command = [sys.executable, __file__, '--signalled', str(server.server_address[1])]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b'ready\n'
            process.send_signal(signal.SIGTERM)
            assert process.wait() == -signal.SIGTERM, process.returncode
        assert b'"before-the-signal"' in get_posts(server)[0][3]
    try:
        Lsobs.install_signal_handlers([signal.SIGKILL])
        assert False
    except GLib.Error as error:
        assert error.matches(Lsobs.error_quark(), Lsobs.Error.INVALID_CONFIG)


def main():
    tests = [test_run, test_usage, test_graph, test_interface, test_sampler, test_current_run,
             test_flush_async, test_errors, test_attachment, test_feedback, test_transport, test_json, test_headers, test_http, test_check, test_replay,
             test_signals, test_model_call, test_usage_from_response]
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


if sys.argv[1:2] == ['--signalled']:
    signalled_program(sys.argv[2])
sys.exit(main())
