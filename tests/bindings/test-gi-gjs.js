#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The API as JavaScript sees it through GObject Introspection.

imports.gi.versions.Json = '1.0';
imports.gi.versions.Lsobs = '1.0';
const {Gio, GLib, GObject, Json, Lsobs} = imports.gi;

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

const tests = {testRun, testGraph, testSampler, testCurrentRun, testFlushAsync, testErrors, testHeaders};
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
