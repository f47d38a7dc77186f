#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The API as JavaScript sees it through GObject Introspection.

imports.gi.versions.Json = '1.0';
imports.gi.versions.Lsobs = '1.0';
imports.gi.versions.Soup = '3.0';
const {Gio, GLib, GObject, Json, Lsobs, Soup} = imports.gi;

const TIMEOUT = 120000;
const NEVER = 3600000;

const node = value => Json.from_string(JSON.stringify(value));
const valueOf = jsonNode => JSON.parse(Json.to_string(jsonNode, false));

function assertEqual(actual, expected) {
    const a = JSON.stringify(actual);
    const e = JSON.stringify(expected);
    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

function newObserver() {
    const config = Lsobs.Config.new('key', 'gjs');
    const transport = Lsobs.MemoryTransport.new();
    // on a busy machine, the default may pass within a test
    config.set_flush_interval(NEVER);
    return [Lsobs.Observer.new_with_transport(config, transport), transport];
}

function eventsByName(transport) {
    const events = {};
    for (const event of transport.dup_events())
        events[event.get_name()] = event;
    return events;
}

function testRun() {
    const [observer, transport] = newObserver();
    const run = observer.start_run('parent', Lsobs.RunType.CHAIN, node({question: '6*7'}));
    const child = run.start_child('child', Lsobs.RunType.TOOL, null);
    child.fail_with_message('no such tool');
    run.end(node(42));
    const [ok, stats] = observer.flush(TIMEOUT);
    assertEqual([ok, stats.runs_flushed, stats.runs_failed], [true, 2, 0]);

    const events = eventsByName(transport);
    assertEqual(Object.keys(events).sort(), ['child', 'parent']);
    assertEqual(events.child.get_parent_id(), run.dup_id());
    assertEqual(events.child.get_error_text(), 'no such tool');
    assertEqual(events.child.get_status(), Lsobs.RunStatus.FAILED);
    assertEqual(valueOf(events.parent.get_inputs()), {question: '6*7'});
    assertEqual(valueOf(events.parent.get_outputs()), {value: 42});
}

function testGraph() {
    const [observer, transport] = newObserver();
    const invocation = observer.begin_invocation('graph', null);
    invocation.on_node_start('agent', node({}));
    invocation.on_tool_call('agent', 'clock', null, null);
    invocation.on_tool_result('agent', 'clock', null, node('noon'));
    invocation.on_error('agent', new GLib.Error(Lsobs.error_quark(), Lsobs.Error.REJECTED, 'broken'));
    invocation.end(null);
    observer.flush(TIMEOUT);

    const events = eventsByName(transport);
    assertEqual(Object.keys(events).sort(), ['agent', 'clock', 'graph']);
    assertEqual(events.agent.get_parent_id(), events.graph.get_id());
    assertEqual(events.clock.get_parent_id(), events.agent.get_id());
    assertEqual(valueOf(events.clock.get_outputs()), {value: 'noon'});
    assertEqual(events.agent.get_status(), Lsobs.RunStatus.FAILED);
}

const Odd = GObject.registerClass({
    Implements: [Lsobs.Sampler],
}, class Odd extends GObject.Object {
    vfunc_should_sample(_traceId) {
        this.n = (this.n ?? 0) + 1;
        return this.n % 2 === 1;
    }
});

function testSampler() {
    const transport = Lsobs.MemoryTransport.new();
    const config = new Lsobs.Config({sampler: new Odd(), project_name: 'gjs'});
    const observer = Lsobs.Observer.new_with_transport(config, transport);
    for (const name of ['one', 'two', 'three'])
        observer.start_run(name, Lsobs.RunType.CHAIN, null).end(null);
    observer.flush(TIMEOUT);
    assertEqual(Object.keys(eventsByName(transport)).sort(), ['one', 'three']);
}

function testCurrentRun() {
    const [observer, transport] = newObserver();
    assertEqual(Lsobs.Run.get_thread_default(), null);
    const run = observer.start_nested_run('outer', Lsobs.RunType.CHAIN, null);
    run.push_thread_default();
    assertEqual(Lsobs.Run.get_thread_default().dup_id(), run.dup_id());
    observer.start_nested_run('inner', Lsobs.RunType.TOOL, null).end(null);
    run.pop_thread_default();
    assertEqual(Lsobs.Run.ref_thread_default(), null);
    const task = Gio.Task.new(null, null, null);
    assertEqual(Lsobs.task_get_run(task), null);
    Lsobs.task_set_run(task, run);
    assertEqual(Lsobs.task_get_run(task).dup_id(), run.dup_id());
    run.wrap(wrapped => {
        assertEqual(Lsobs.Run.get_thread_default().dup_id(), run.dup_id());
        assertEqual(wrapped.dup_id(), run.dup_id());
    });
    const broken = observer.start_nested_run('broken', Lsobs.RunType.CHAIN, null);
    let caught = null;
    try {
        broken.wrap(() => {
            throw new Error('no');
        });
    } catch (e) {
        caught = e;
    }
    assertEqual([caught?.message, broken.get_status()], ['no', Lsobs.RunStatus.FAILED]);
    observer.flush(TIMEOUT);
    const events = eventsByName(transport);
    assertEqual(events.inner.get_parent_id(), run.dup_id());
    assertEqual(events.outer.get_status(), Lsobs.RunStatus.COMPLETED);
}

function testFlushAsync() {
    const [observer, transport] = newObserver();
    const loop = GLib.MainLoop.new(null, false);
    let answer = null;
    observer.start_run('run', Lsobs.RunType.CHAIN, null).end(null);
    observer.flush_async(TIMEOUT, null, (source, result) => {
        answer = source.flush_finish(result);
        loop.quit();
    });
    loop.run();
    assertEqual([answer[0], answer[1].runs_flushed], [true, 1]);
    assertEqual(Object.keys(eventsByName(transport)), ['run']);
}

function testErrors() {
    const config = Lsobs.Config.new('key', 'gjs');
    config.redact_regex = '(';
    let error = null;
    try {
        config.validate();
    } catch (e) {
        error = e;
    }
    assertEqual(error?.matches(Lsobs.Error, Lsobs.Error.INVALID_CONFIG), true);
}

function testHeaders() {
    const config = new Lsobs.Config({project_name: 'gjs', trust_incoming_headers: true});
    const observer = Lsobs.Observer.new_with_transport(config, Lsobs.MemoryTransport.new());
    const run = observer.start_run('call', Lsobs.RunType.TOOL, null);
    const headers = run.to_headers();
    assertEqual(headers, {
        'langsmith-trace': run.dup_dotted_order(),
        'baggage': 'langsmith-project=gjs',
    });
    const served = observer.start_run_from_headers(headers, 'served', Lsobs.RunType.CHAIN, null);
    assertEqual(served.dup_parent_id(), run.dup_id());
    served.end(null);
    run.end(null);
}

const ANSWER = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"4"}}]}

data: {"choices":[{"index":0,"delta":{"content":"2"},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}

data: [DONE]

`;
const REQUEST = new GLib.Bytes(new TextEncoder().encode(JSON.stringify({
    model: 'm', stream: true, stream_options: {include_usage: true},
    messages: [{role: 'user', content: '6*7?'}],
})));

// A model on this machine, in the context of the program.
function newService() {
    const server = new Soup.Server();
    server.add_handler('/v1/chat/completions', (_server, message) => {
        message.set_status(200, null);
        message.set_response('text/event-stream', Soup.MemoryUse.COPY,
            new TextEncoder().encode(ANSWER));
    });
    server.listen_local(0, Soup.ServerListenOptions.IPV4_ONLY);
    return server;
}

function newMessage(server) {
    const message = Soup.Message.new('POST',
        `${server.get_uris()[0].to_string()}v1/chat/completions?key=telltale`);
    message.set_request_body_from_bytes('application/json', REQUEST);
    return message;
}

function assertModelCalls(transport, n) {
    const events = transport.dup_events();
    assertEqual(events.length, n);
    for (const event of events) {
        assertEqual(event.get_name(), 'chat m');
        assertEqual(event.get_error_text(), null);
        assertEqual(valueOf(event.get_outputs()).choices[0].message.content, '42');
        assertEqual(valueOf(event.get_extra()).metadata.usage_metadata.total_tokens, 4);
        assertEqual(Json.to_string(event.get_extra(), false).includes('telltale'), false);
    }
}

async function callModel(observer, session, server) {
    const message = newMessage(server);
    observer.trace_message(message, REQUEST, null).add_tag('gjs');
    const stream = await Lsobs.session_send_async(session, message, GLib.PRIORITY_DEFAULT, null);
    let text = '';
    for (;;) {
        // eslint-disable-next-line no-await-in-loop
        const bytes = await stream.read_bytes_async(7, GLib.PRIORITY_DEFAULT, null);
        if (bytes.get_size() === 0)
            break;
        text += new TextDecoder().decode(bytes.get_data());
    }
    assertEqual(text, ANSWER);

    const whole = newMessage(server);
    observer.trace_message(whole, REQUEST, null);
    const answer = await Lsobs.session_send_and_read_async(session, whole,
        GLib.PRIORITY_DEFAULT, null);
    assertEqual(new TextDecoder().decode(answer.get_data()), ANSWER);
}

function testModelCall() {
    Gio._promisify(Gio.InputStream.prototype, 'read_bytes_async');
    Gio._promisify(Lsobs, 'session_send_async');
    Gio._promisify(Lsobs, 'session_send_and_read_async');
    const [observer, transport] = newObserver();
    const loop = GLib.MainLoop.new(null, false);
    const server = newService();
    let problem = null;
    callModel(observer, new Soup.Session(), server).catch(e => (problem = e))
        .finally(() => loop.quit());
    loop.run();
    server.disconnect();
    if (problem)
        throw problem;

    const call = Lsobs.ModelCall.new(observer, null, 'http://localhost/v1/chat/completions',
        REQUEST);
    call.feed(new TextEncoder().encode(ANSWER));
    call.finish(200);
    observer.flush(TIMEOUT);
    assertModelCalls(transport, 3);
}

const tests = {testRun, testGraph, testSampler, testCurrentRun, testFlushAsync, testErrors, testHeaders,
    testModelCall};
let failed = false;
print(`1..${Object.keys(tests).length}`);
Object.entries(tests).forEach(([name, test], index) => {
    try {
        test();
        print(`ok ${index + 1} ${name}`);
    } catch (e) {
        print(`# ${e}\n# ${(e.stack ?? '').trim().split('\n').join('\n# ')}`);
        print(`not ok ${index + 1} ${name}`);
        failed = true;
    }
});
imports.system.exit(failed ? 1 : 0);
