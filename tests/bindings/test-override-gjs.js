#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the override for GJS adds to the API.

imports.gi.versions.Json = '1.0';
imports.gi.versions.Lsobs = '1.0';
const {GLib, Json, Lsobs} = imports.gi;

const TIMEOUT = 120000;
const NEVER = 3600000;

const textOf = jsonNode => Json.to_string(jsonNode, false);

function assertEqual(actual, expected) {
    const a = JSON.stringify(actual);
    const e = JSON.stringify(expected);
    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

function newConfig() {
    const config = Lsobs.Config.new('key', 'gjs');
    // on a busy machine, the default may pass within a test
    config.set_flush_interval(NEVER);
    return config;
}

function newObserver() {
    const transport = Lsobs.MemoryTransport.new();
    return [Lsobs.Observer.new_with_transport(newConfig(), transport), transport];
}

function flush(observer, transport) {
    const events = {};
    observer.flush(TIMEOUT);
    for (const event of transport.dup_events())
        events[event.get_name()] = event;
    return events;
}

const getMetadata = event => event.get_extra().get_object().get_object_member('metadata');

function testPlainValues() {
    const [observer, transport] = newObserver();
    const values = {
        object: [{a: [1, 2.5, null, true, 'ü']}, '{"a":[1,2.5,null,true,"ü"]}'],
        array: [[1, 'two'], '{"value":[1,"two"]}'],
        string: ['text', '{"value":"text"}'],
        number: [7, '{"value":7}'],
        map: [new Map([['k', new Set([1])]]), '{"k":[1]}'],
        node: [Json.from_string('{"b": 1}'), '{"b":1}'],
    };
    for (const [name, [value]] of Object.entries(values)) {
        const run = observer.start_run(name, value);
        run.start_child(`${name}-child`, value, 'tool').end(value);
        run.set_metadata('value', value);
        run.end(value);
    }
    observer.start_run('nothing').end();
    const events = flush(observer, transport);
    for (const [name, [, text]] of Object.entries(values)) {
        for (const event of [events[name], events[`${name}-child`]]) {
            assertEqual(textOf(event.get_inputs()), text);
            assertEqual(textOf(event.get_outputs()), text);
        }
        assertEqual(events[`${name}-child`].get_parent_id(), events[name].get_id());
    }
    assertEqual(textOf(getMetadata(events.array).get_member('value')), '[1,"two"]');
    assertEqual('nothing' in events, true);
}

function testAwkwardValues() {
    const [observer, transport] = newObserver();
    const cycle = {};
    cycle.again = cycle;
    let deep = [];
    for (let i = 0; i < 100000; i++)
        deep = [deep];
    const values = {
        cycle, deep, nan: NaN, big: 10n ** 30n, surrogate: 'a\ud800b', nul: 'a\0b',
        symbol: Symbol('s'), mute: {toJSON() {
            throw new Error('no');
        }}, proto: JSON.parse('{"__proto__": 1}'), object: observer,
    };
    for (const [name, value] of Object.entries(values)) {
        const run = observer.start_run(name, value, 'llm');
        run.set_metadata('value', value);
        run.add_event('new_token', {value});
        run.end({value});
    }
    const events = flush(observer, transport);
    assertEqual(Object.keys(events).sort(), Object.keys(values).sort());
    assertEqual(textOf(events.cycle.get_inputs()), '{"again":"<object>"}');
    assertEqual(textOf(events.nan.get_inputs()), '{"value":"NaN"}');
    assertEqual(textOf(events.surrogate.get_inputs()), '{"value":"a\ufffdb"}');
    assertEqual(textOf(events.mute.get_inputs()), '{"value":"[object Object]"}');
    assertEqual(textOf(events.proto.get_inputs()), '{"__proto__":1}');
}

function testRunTypes() {
    const [observer, transport] = newObserver();
    observer.start_run('c-order', Lsobs.RunType.TOOL, null).end(null);
    observer.start_run('word', {}, 'retriever').end();
    observer.start_run('member', {}, Lsobs.RunType.PARSER).end();
    observer.start_run('number', 1, 'llm').end();
    observer.start_run('other', {b: 2}, 'agent').end();
    const events = flush(observer, transport);
    const types = Object.fromEntries(Object.entries(events).map(([name, event]) => [name, event.get_run_type()]));
    assertEqual(types, {
        'c-order': Lsobs.RunType.TOOL, word: Lsobs.RunType.RETRIEVER, member: Lsobs.RunType.PARSER,
        number: Lsobs.RunType.LLM, other: Lsobs.RunType.CHAIN,
    });
    assertEqual(textOf(events.number.get_inputs()), '{"value":1}');
    assertEqual(getMetadata(events.other).get_string_member('ls_run_kind'), 'agent');
}

function testRun() {
    const [observer, transport] = newObserver();
    const answer = observer.run('outer', {q: 1}, run => {
        run.run('by-hand', null, child => child.fail_with_message('so it is'));
        return run.run('inner', [1], () => 42, {runType: 'tool'});
    }, {tags: ['t'], metadata: {k: [1]}});
    assertEqual(answer, 42);
    const problems = {
        plain: new TypeError('not so'), text: 'thrown',
        glib: new GLib.Error(Lsobs.Error, Lsobs.Error.REJECTED, 'broken'),
    };
    for (const [name, problem] of Object.entries(problems)) {
        let caught = null;
        try {
            observer.run(name, null, () => {
                throw problem;
            });
        } catch (e) {
            caught = e;
        }
        assertEqual(caught === problem, true);
    }
    const events = flush(observer, transport);
    assertEqual(events.inner.get_parent_id(), events.outer.get_id());
    assertEqual(events.inner.get_run_type(), Lsobs.RunType.TOOL);
    assertEqual(textOf(events.outer.get_outputs()), '{"value":42}');
    assertEqual(events.outer.get_tags(), ['t']);
    assertEqual(textOf(getMetadata(events.outer).get_member('k')), '[1]');
    assertEqual(events['by-hand'].get_error_text(), 'so it is');
    assertEqual(events.plain.get_error_text(), 'TypeError: not so');
    assertEqual(events.text.get_error_text(), 'thrown');
    assertEqual(events.glib.get_error_text().includes('broken'), true);
}

function testPromise() {
    const [observer, transport] = newObserver();
    const loop = GLib.MainLoop.new(null, false);
    const turn = () => new Promise(resolve => GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
    let answer = null;
    let caught = null;
    observer.run('outer', null, async run => {
        await turn();
        assertEqual(run.get_status(), Lsobs.RunStatus.RUNNING);
        await run.run('lost', null, async () => {
            await turn();
            throw new RangeError('too far');
        }).catch(e => (caught = e));
        return {done: true};
    }).then(value => (answer = value)).finally(() => loop.quit());
    loop.run();
    assertEqual(answer, {done: true});
    assertEqual(caught?.message, 'too far');
    const events = flush(observer, transport);
    assertEqual(textOf(events.outer.get_outputs()), '{"done":true}');
    assertEqual(events.lost.get_error_text(), 'RangeError: too far');
    assertEqual(events.lost.get_parent_id(), events.outer.get_id());
}

function testNested() {
    const [observer, transport] = newObserver();
    const [other] = newObserver();
    const multiply = (a, b) => observer.run('multiply', {a, b}, () => a * b, {runType: 'tool'});
    const answer = observer.run('outer', null, outer => {
        assertEqual(Lsobs.Run.get_thread_default().dup_id(), outer.dup_id());
        other.run('elsewhere', null, run => assertEqual(run.dup_parent_id(), null));
        observer.start_nested_run('by-hand', {a: 1}, 'tool').end([2]);
        try {
            observer.run('failed', null, () => {
                throw new Error('no');
            });
        } catch (e) {
            assertEqual(Lsobs.Run.get_thread_default().dup_id(), outer.dup_id());
        }
        return multiply(6, 7);
    });
    assertEqual(answer, 42);
    assertEqual(Lsobs.Run.get_thread_default(), null);
    const events = flush(observer, transport);
    for (const name of ['multiply', 'by-hand', 'failed'])
        assertEqual(events[name].get_parent_id(), events.outer.get_id());
    assertEqual(events.outer.get_parent_id(), null);
    assertEqual(textOf(events['by-hand'].get_inputs()), '{"a":1}');
    assertEqual(textOf(events['by-hand'].get_outputs()), '{"value":[2]}');
    assertEqual(events['by-hand'].get_run_type(), Lsobs.RunType.TOOL);
}

// Before its first wait as after it, an async function is no parent but by its run.
function testNestedAsync() {
    const [observer, transport] = newObserver();
    const loop = GLib.MainLoop.new(null, false);
    const work = async run => {
        for (const name of ['early', 'late']) {
            assertEqual(Lsobs.Run.get_thread_default(), null);
            observer.run(name, null, () => 1);
            run.run(`${name}-child-of-${run.get_name()}`, null, () => 2);
            // eslint-disable-next-line no-await-in-loop
            await new Promise(resolve => GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
                resolve();
                return GLib.SOURCE_REMOVE;
            }));
        }
    };
    let problem = null;
    Promise.all([observer.run('a', null, work), observer.run('b', null, work)])
        .catch(e => (problem = e)).finally(() => loop.quit());
    loop.run();
    assertEqual(problem, null);
    const events = flush(observer, transport);
    for (const name of ['early', 'late']) {
        assertEqual(events[name].get_parent_id(), null);
        for (const outer of ['a', 'b'])
            assertEqual(events[`${name}-child-of-${outer}`].get_parent_id(), events[outer].get_id());
    }
}

function testInvocation() {
    const [observer, transport] = newObserver();
    const graph = observer.begin_invocation('graph', {q: 1});
    graph.on_node_start('node', {a: 2});
    graph.on_tool_call('node', 'tool', 'call-1', [3]);
    graph.on_tool_result('node', 'tool', 'call-1', {b: 4});
    graph.on_node_end('node', 'done', -1);
    graph.on_node_start('broken');
    graph.on_error('broken', new RangeError('too far'));
    graph.end({c: 5});
    observer.begin_invocation('failed').fail('a word');
    observer.start_run('error').fail(new GLib.Error(Lsobs.Error, Lsobs.Error.QUOTA, 'as it was'));
    const run = observer.start_run('nul \0');
    run.add_tag(9);
    run.add_attachment('log', 'text/plain', new TextEncoder().encode('line'));
    const feedback = run.new_feedback('thumbs');
    feedback.set_value({up: true});
    feedback.set_source(Lsobs.FeedbackSource.MODEL, {model: 'm'});
    observer.add_feedback(feedback);
    run.fail(new TypeError('wrong'));
    const answered = observer.start_run('answered');
    assertEqual(answered.set_usage_from_response({choices: [], usage: null}), false);
    assertEqual(answered.set_usage_from_response({usage: {prompt_tokens: 3}}), true);
    answered.fail_with_outputs(new TypeError('wrong'), {so: 'far'});
    assertEqual(Lsobs.Usage.new_from_json({usage: {prompt_tokens: 3, completion_tokens: 4}})
        .get_total_tokens(), 7);
    const events = flush(observer, transport);
    assertEqual(textOf(events.node.get_inputs()), '{"a":2}');
    assertEqual(textOf(events.node.get_outputs()), '{"value":"done"}');
    assertEqual(textOf(events.tool.get_inputs()), '{"value":[3]}');
    assertEqual(textOf(events.tool.get_outputs()), '{"b":4}');
    assertEqual(textOf(events.graph.get_outputs()), '{"c":5}');
    assertEqual(events.answered.get_error_text(), 'TypeError: wrong');
    assertEqual(textOf(events.answered.get_outputs()), '{"so":"far"}');
    assertEqual(events.broken.get_error_text(), 'RangeError: too far');
    assertEqual(events.failed.get_error_text(), 'a word');
    assertEqual(events.error.get_error_text(), 'as it was');
    assertEqual(events['nul \ufffd'].get_error_text(), 'TypeError: wrong');
    assertEqual(events['nul \ufffd'].get_tags(), ['9']);
}

function testConstruction() {
    const transport = new Lsobs.MemoryTransport();
    const observer = new Lsobs.Observer({config: newConfig(), transport});
    assertEqual(observer.run('run', {}, () => 1, null), 1);
    assertEqual(observer.run('tag', {}, () => 2, {tags: 'word', metadata: null}), 2);
    assertEqual(flush(observer, transport).tag.get_tags(), ['word']);
    new Lsobs.Client({config: newConfig()}).get_ingest_mode();
    const config = newConfig();
    config.redact_regex = '(';
    for (const type of [Lsobs.Observer, Lsobs.Exporter, Lsobs.Client]) {
        let caught = null;
        try {
            new type({config});
        } catch (e) {
            caught = e;
        }
        assertEqual(caught?.matches?.(Lsobs.Error, Lsobs.Error.INVALID_CONFIG), true);
        try {
            caught = new type();
        } catch (e) {
            caught = e;
        }
        assertEqual(caught instanceof TypeError, true);
    }
}

// A function is called in the thread that sends, which for GJS has to be this one.
function testRedactFunc() {
    const transport = new Lsobs.MemoryTransport();
    const config = newConfig();
    config.set_redact_func((field, value) => field === 'inputs' ? Json.from_string('{"a":0}') : value);
    const observer = new Lsobs.Observer({config, transport, main_context: GLib.MainContext.default()});
    observer.start_run('run', {a: 1}).end({b: 2});
    const {run} = flush(observer, transport);
    assertEqual(textOf(run.get_inputs()), '{"a":0}');
    assertEqual(textOf(run.get_outputs()), '{"b":2}');
}

function testLeftOut() {
    const config = newConfig();
    config.tracing_enabled = false;
    const observer = new Lsobs.Observer({config, transport: new Lsobs.MemoryTransport()});
    let looks = 0;
    const value = {toJSON: () => ++looks};
    let run = observer.start_run('run', {value});
    run.start_child('child', {value}, 'tool').end({value});
    observer.start_nested_run('nested', {value}, 'any').end({value});
    run.end({value});
    assertEqual(looks, 0);
    const [other, transport] = newObserver();
    run = other.start_run('run', {value});
    run.start_child('child', {value}, 'tool').end();
    run.end({value});
    assertEqual(looks, 3);
    const events = flush(other, transport);
    assertEqual(textOf(events.run.get_inputs()), '{"value":1}');
    assertEqual(textOf(events.child.get_inputs()), '{"value":2}');
    assertEqual(textOf(events.run.get_outputs()), '{"value":3}');
}

const tests = {testRedactFunc, testLeftOut, testInvocation, testConstruction, testPlainValues, testAwkwardValues, testRunTypes, testRun, testNested,
    testNestedAsync, testPromise};
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
