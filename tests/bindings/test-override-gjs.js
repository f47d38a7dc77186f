#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the override for GJS adds to the API.

imports.gi.versions.Json = '1.0';
imports.gi.versions.Lsobs = '1.0';
imports.gi.versions.Soup = '3.0';
const {Gio, GLib, GObject, Json, Lsobs, Soup} = imports.gi;

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

const hasMetadata = (event, key) => event.get_extra()?.get_object().has_member('metadata') && getMetadata(event).has_member(key) || false;

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
    assertEqual(textOf(events.mute.get_inputs()), '{}');
    assertEqual(textOf(events.symbol.get_inputs()), '{"value":"Symbol(s)"}');
    assertEqual(textOf(events.object.get_inputs()), '{"value":"<LsobsObserver>"}');
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
// A value that breaks when it is asked whether it is a promise ends its run, and is returned.
function testOddPromise() {
    const [observer, transport] = newObserver();
    const odd = {a: 1, get then() {
        throw new Error('no');
    }};
    let nReads = 0;
    const fickle = {get then() {
        return ++nReads === 1 ? resolve => resolve(2) : null;
    }};
    assertEqual(observer.run('odd', () => odd) === odd, true);
    observer.run('fickle', () => fickle);
    let message = null;
    try {
        observer.run('throws', () => ({then() {
            throw new Error('no promise');
        }}));
    } catch (error) {
        message = error.message;
    }
    assertEqual(message, 'no promise');
    const events = flush(observer, transport);
    assertEqual(Object.keys(events).sort(), ['fickle', 'odd', 'throws']);
    assertEqual(textOf(events.odd.get_outputs()), '{"a":1,"then":"<object: no>"}');
    assertEqual(textOf(events.fickle.get_outputs()), '{"value":2}');
    assertEqual(events.throws.get_error_text().includes('no promise'), true);
}

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

class Point {
    #secret = 1;
    x = 1;
    y = 2;

    get sum() {
        return this.x + this.y + this.#secret;
    }
}

const Thing = GObject.registerClass(class Thing extends GObject.Object {
    toJSON() {
        return {thing: 1};
    }
});

// What the values become, as JSON.
function testValues() {
    const [observer, transport] = newObserver();
    const variant = (type, value) => new GLib.Variant(type, value);
    const holder = Json.from_string('{"j": [1]}').get_object();
    const twice = {t: 1};
    let nReads = 0;
    const values = {
        bytes: [new Uint8Array(1 << 20), '"<1048576 bytes>"'],
        clamped: [new Uint8ClampedArray(3), '"<3 bytes>"'],
        view: [new DataView(new ArrayBuffer(8), 2), '"<6 bytes>"'],
        buffer: [new ArrayBuffer(9), '"<9 bytes>"'],
        gbytes: [new GLib.Bytes(new Uint8Array(1 << 20)), '"<1048576 bytes>"'],
        numbers: [new Float64Array([0.5, NaN]), '[0.5,"NaN"]'],
        vector: [new Float32Array(1536), '"<Float32Array of 1536>"'],
        big: [[42n, -(10n ** 30n)], `[42,"-1${'0'.repeat(30)}"]`],
        date: [new Date(Date.UTC(2026, 0, 2)), '"2026-01-02T00:00:00.000Z"'],
        'no date': [new Date(NaN), '"Invalid Date"'],
        datetime: [GLib.DateTime.new_utc(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05Z"'],
        map: [new Map([['k', new Map([[1, new Set(['s'])]])]]), '{"k":{"1":["s"]}}'],
        regexp: [/a"b/g, '"/a\\"b/g"'],
        'function': [{f() {}, g: [x => x, class Named {}]}, '{"f":"<function f>","g":["<function >","<function Named>"]}'],
        'class': [new Point(), '{"x":1,"y":2}'],
        boxed: [[new String('s'), new Number(1), new Boolean(false)], '["s",1,false]'],
        promise: [[Promise.resolve(1), new WeakMap()], '["<Promise>","<WeakMap>"]'],
        empty: [new (class Empty {})(), '"<Empty>"'],
        getter: [{a: 1, get b() {
            throw new Error('no');
        }, c: 3}, '{"a":1,"b":"<object: no>","c":3}'],
        fickle: [{get a() {
            return ++nReads % 2 ? 1 : 1n;
        }, b: 2}, '"<object: '],
        'undefined': [[undefined, {a: undefined, b: null}], '[null,{"b":null}]'],
        sparse: [[, 1], '[null,1]'], // eslint-disable-line no-sparse-arrays
        twice: [[twice, twice], '[{"t":1},{"t":1}]'],
        zone: [GLib.TimeZone.new_utc(), '"<GTimeZone>"'],
        gobject: [[new Gio.Cancellable(), new Thing()], '["<GCancellable>",{"thing":1}]'],
        file: [[Gio.File.new_for_path('/a b'), Gio.File.new_for_uri('https://example.com/x')], '["/a b","https://example.com/x"]'],
        uri: [GLib.Uri.parse('https://u:secret@example.com/', GLib.UriFlags.HAS_PASSWORD), '"https://u@example.com/"'],
        json: [[Json.from_string('{"a": 1}'), holder, holder.get_array_member('j')], '[{"a":1},{"j":[1]},[1]]'],
        gtype: [GObject.TYPE_INT, `"[object GType for 'gint']"`],
        vardict: [variant('a{sv}', {
            a: variant('ay', new Uint8Array(1000)), b: variant('t', 2 ** 40), c: variant('(sb)', ['s', true]), d: variant('ms', null),
        }), '{"a":"<1000 bytes>","b":1099511627776,"c":["s",true],"d":null}'],
        'number arrays': [[variant('an', [-7, 8]), variant('aq', [65535]), variant('ai', [-(2 ** 31)]), variant('au', [2 ** 32 - 1]),
            variant('ad', [0.5, NaN, -Infinity]), variant('ax', [-5]), variant('a{sv}', {a: variant('ad', []), x: variant('x', 1)}),
            GLib.Variant.parse(null, '[uint64 1, 18446744073709551615]', null, null), variant('a(au)', [[[1, 2]]]), variant('(yts)', [7, 8, 's']),
            GLib.Variant.parse(null, '{"big": <int64 9007199254740993>}', null, null)],
        '[[-7,8],[65535],[-2147483648],[4294967295],[0.5,"NaN","-Infinity"],[-5],{"a":[],"x":1},[1,"18446744073709551615"],' +
            '[[[1,2]]],[7,8,"s"],{"big":"9007199254740993"}]'],
        plain: [[1, -0.5, true, null, 'a', {n: 1, b: false, z: null, i: Infinity}, NaN, 2],
            '[1,-0.5,true,null,"a",{"n":1,"b":false,"z":null,"i":"Infinity"},"NaN",2]'],
        variants: [[variant('i', 7), variant('x', 8), variant('as', []), variant('at', []), variant('mx', 5), variant('v', variant('y', 9)),
            variant('a{xs}', {[-3]: 'm'}), GLib.Variant.parse(null, 'uint64 18446744073709551615', null, null), variant('()', [])],
        '[7,8,[],[],5,9,{"-3":"m"},"18446744073709551615",[]]'],
    };
    for (const [name, [value]] of Object.entries(values)) {
        const run = observer.start_run(name, {value});
        run.set_metadata('value', value);
        run.end({value});
    }
    const events = flush(observer, transport);
    for (const [name, [, text]] of Object.entries(values)) {
        const sent = textOf(events[name].get_outputs());
        if (text.endsWith(': '))
            assertEqual([name, sent.includes(text) || sent === '{"value":{"a":1,"b":2}}'], [name, true]);
        else
            assertEqual([name, sent], [name, `{"value":${text}}`]);
        assertEqual(textOf(getMetadata(events[name]).get_member('value')).length > 0, true);
    }
}

function testErrorValues() {
    const [observer, transport] = newObserver();
    class OddError extends Error {
        name = 'OddError';
        status = 429;
    }
    const cause = new RangeError('too far');
    const missing = (() => {
        try {
            return Gio.File.new_for_path('/nowhere/at/all').load_contents(null);
        } catch (e) {
            return e;
        }
    })();
    observer.start_run('run', {odd: new OddError('not so', {cause}), missing, all: new AggregateError([cause], 'all')}).end();
    const inputs = JSON.parse(textOf(flush(observer, transport).run.get_inputs()));
    const {odd} = inputs;
    assertEqual([odd.name, odd.message, odd.status, odd.cause.name, odd.cause.message], ['OddError', 'not so', 429, 'RangeError', 'too far']);
    assertEqual(Object.keys(odd), ['name', 'message', 'stack', 'cause', 'status']);
    assertEqual(odd.stack.includes('testErrorValues'), true);
    assertEqual(Object.keys(inputs.missing), ['name', 'message', 'domain', 'code', 'stack']);
    assertEqual([inputs.missing.name, inputs.missing.domain, inputs.missing.code],
        ['Gio.IOErrorEnum', 'g-io-error-quark', Gio.IOErrorEnum.NOT_FOUND]);
    assertEqual(inputs.missing.message, missing.message);
    assertEqual(inputs.all.errors[0].message, 'too far');
}

// Rules by key see into a value of any class.
function testRedactKeys() {
    const transport = new Lsobs.MemoryTransport();
    const config = newConfig();
    config.add_redact_key('password');
    const observer = new Lsobs.Observer({config, transport});
    class Login {
        password = 'telltale';
    }
    const error = new Error('no');
    error.password = 'telltale';
    observer.start_run('run', {
        map: new Map([['password', 'telltale']]), login: new Login(), error, set: new Set([{password: 'telltale'}]),
        variant: new GLib.Variant('a{sv}', {password: new GLib.Variant('s', 'telltale')}),
        node: Json.from_string('{"password": "telltale"}'),
    }).end();
    const text = textOf(flush(observer, transport).run.get_inputs());
    assertEqual([text.includes('telltale'), text.split('password').length - 1], [false, 6]);
}

// A mistake in a call is told at once, and nothing is started.
function testMistakes() {
    const [observer, transport] = newObserver();
    const parent = observer.start_run('parent');
    const work = () => 1;
    const mistakes = {
        'no option runtype': () => observer.run('x', null, work, {runtype: 'llm'}),
        'no option tag': () => parent.run('x', null, work, {tag: 'a'}),
        'is a function, not 5': () => parent.run('x', null, 5),
        'is a function, not undefined': () => observer.run('x', {}),
        'are an object, not llm': () => observer.run('x', null, work, 'llm'),
        'no type of a run': () => observer.run('x', null, work, {runType: 99}),
        'is no type': () => observer.start_run('x', {}, true),
        'are an object, not a,b': () => observer.start_run('x', {}, ['a', 'b']),
        'a list of words, not 5': () => observer.run('x', null, work, {tags: 5}),
        'metadata is an object, not word': () => observer.run('x', null, work, {metadata: 'word'}),
        'threadId is a string, not 7': () => observer.run('x', null, work, {threadId: 7}),
        'no option parent here': () => parent.run('x', null, work, {parent}),
        'no option project here': () => parent.start_child('x', {}, {project: 'p'}),
        'parent is an Lsobs.Run, or null for none, not 7': () => observer.run('x', null, work, {parent: 7}),
        'project is a string, not 7': () => observer.start_run('x', {}, {project: 7}),
        'leave out one of the options': () => observer.run('x', null, work, {parent, project: 'p'}),
        'the options are runType, tags, metadata, threadId, project, parent': () => Lsobs.run('x', null, work, {projects: 'p'}),
        'is a function, not null': () => parent.wrap(null),
        'Observer or null, not 1': () => Lsobs.set_default_observer(1),
    };
    for (const [text, mistake] of Object.entries(mistakes)) {
        let caught = null;
        try {
            mistake();
        } catch (e) {
            caught = e;
        }
        assertEqual([text, caught instanceof TypeError, caught?.message.includes(text)], [text, true, true]);
    }
    parent.end();
    assertEqual(Object.keys(flush(observer, transport)), ['parent']);
}

// Where a run starts is also an option of the calls that need no parent.
function testPlace() {
    const [observer, transport] = newObserver();
    const [other, otherTransport] = newObserver();
    const elsewhere = other.start_run('elsewhere');
    const parent = observer.start_run('parent', {}, {project: 'first'});
    observer.run('below', {a: 1}, () => 1, {parent, tags: ['t'], runType: 'tool'});
    observer.start_run('by-hand', {}, {parent, threadId: 'talk'}).end();
    parent.wrap(() => {
        observer.run('nested', () => 1, {project: 'second'});
        observer.run('root', {a: 1}, () => 1, {parent: null, project: 'second', runType: 'agent'});
        observer.start_nested_run('none', {}, {parent: null}).end();
    });
    elsewhere.wrap(() => observer.start_nested_run('own', {}, {project: 'third'}).end());
    observer.run('bytes', 'text', run => run.start_child('child').end(), {project: 'fourth', runType: 'llm'});
    observer.run('empty', () => 1, {project: '', parent: undefined});
    Lsobs.set_default_observer(observer);
    Lsobs.run('default', () => 1, {project: 'fifth'});
    Lsobs.start_run('default-start', {}, {parent}).end();
    Lsobs.set_default_observer(null);
    elsewhere.end();

    const events = flush(observer, transport);
    const places = Object.fromEntries(Object.entries(events).map(([name, event]) => [
        name, [event.get_project_name(), event.get_parent_id() === parent.id]]));
    assertEqual(places, {
        'parent': ['first', false], 'below': ['first', true], 'by-hand': ['first', true], 'nested': ['first', true],
        'root': ['second', false], 'none': ['gjs', false], 'own': ['third', false], 'bytes': ['fourth', false],
        'child': ['fourth', false], 'empty': ['gjs', false], 'default': ['fifth', false], 'default-start': ['first', true],
    });
    assertEqual([events.below.get_run_type(), events.below.get_tags()], [Lsobs.RunType.TOOL, ['t']]);
    assertEqual([textOf(events.root.get_inputs()), getMetadata(events.root).get_string_member('ls_run_kind')], ['{"a":1}', 'agent']);
    assertEqual([textOf(events.bytes.get_inputs()), events.bytes.get_run_type()], ['{"value":"text"}', Lsobs.RunType.LLM]);
    assertEqual(getMetadata(events['by-hand']).get_string_member('thread_id'), 'talk');
    assertEqual(Object.keys(flush(other, otherTransport)), ['elsewhere']);
}

// What the function has set goes with any end.
function testHeldOutputs() {
    const [observer, transport] = newObserver();
    observer.run('good', run => {
        run.outputs = {held: 1};
        return 2;
    });
    for (const [name, problem] of Object.entries({plain: new Error('no'), glib: new GLib.Error(Lsobs.Error, Lsobs.Error.QUOTA, 'full')})) {
        try {
            observer.run(name, run => {
                run.outputs = [name];
                throw problem;
            });
        } catch (e) {
            assertEqual(e === problem, true);
        }
    }
    const events = flush(observer, transport);
    assertEqual(textOf(events.good.get_outputs()), '{"held":1}');
    assertEqual([textOf(events.plain.get_outputs()), events.plain.get_error_text()], ['{"value":["plain"]}', 'Error: no']);
    assertEqual([textOf(events.glib.get_outputs()), events.glib.get_error_text()], ['{"value":["glib"]}', 'full']);
}

// What is cancelled has not failed.
function testCancelled() {
    const [observer, transport] = newObserver();
    const abort = new Error('aborted');
    abort.name = 'AbortError';
    const problems = {
        gio: new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, 'in any language'), abort, failed: new Error('no'),
        timeout: new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT, 'late'),
    };
    for (const [name, problem] of Object.entries(problems)) {
        try {
            observer.run(name, () => {
                throw problem;
            });
        } catch (e) {
            assertEqual(e === problem, true);
        }
    }
    const events = flush(observer, transport);
    for (const name of ['gio', 'abort'])
        assertEqual([events[name].get_error_text(), getMetadata(events[name]).get_boolean_member('cancelled')], ['Cancelled', true]);
    for (const [name, text] of [['failed', 'Error: no'], ['timeout', 'late']])
        assertEqual([events[name].get_error_text(), hasMetadata(events[name], 'cancelled')], [text, false]);
    assertEqual(hasMetadata(events.failed, 'error_domain'), false);
    assertEqual(getMetadata(events.timeout).get_int_member('error_code'), Gio.IOErrorEnum.TIMED_OUT);
}

function testGenerators() {
    const [observer, transport] = newObserver();
    function* count(n) {
        try {
            for (let i = 1; i <= n; i++) {
                observer.run(`inside-${i}`, () => i);
                const told = yield {i};
                if (told)
                    yield told;
            }
            if (n === 3)
                throw new RangeError('too far');
            return 'over';
        } finally {
            observer.run(`end-${n}`, () => n);
        }
    }
    const start = n => observer.run(`count-${n}`, {n}, () => count(n), {runType: 'tool'});
    assertEqual([...start(2)], [{i: 1}, {i: 2}]);
    try {
        for (const {i} of start(3))
            observer.run(`outside-${i}`, () => i);
    } catch (e) {
        assertEqual(e.message, 'too far');
    }
    for (const {i} of start(4)) {
        if (i === 2)
            break;
    }
    start(5).return('never begun');
    const sent = start(6);
    assertEqual([sent.next(), sent.next('told'), sent.return(1)],
        [{value: {i: 1}, done: false}, {value: 'told', done: false}, {value: 1, done: true}]);
    for (const item of start(1500))
        void item;
    const events = flush(observer, transport);
    const outputs = n => textOf(events[`count-${n}`].get_outputs());
    assertEqual(outputs(2), '{"value":[{"i":1},{"i":2}]}');
    assertEqual([outputs(3), events['count-3'].get_error_text()], ['{"value":[{"i":1},{"i":2},{"i":3}]}', 'RangeError: too far']);
    assertEqual([outputs(4), events['count-4'].get_error_text()], ['{"value":[{"i":1},{"i":2}]}', null]);
    assertEqual([outputs(5), outputs(6)], ['{"value":[]}', '{"value":[{"i":1},"told"]}']);
    assertEqual(JSON.parse(outputs(1500)).value.length, 1000);
    assertEqual(getMetadata(events['count-1500']).get_int_member('items_left_out'), 500);
    // each step is inside of the run, and what the consumer does is not
    assertEqual(events['inside-1500'].get_parent_id(), events['count-1500'].get_id());
    assertEqual(events['end-4'].get_parent_id(), events['count-4'].get_id());
    assertEqual(events['outside-1'].get_parent_id(), null);
}

// Runs CALL, which is async, to its end.
function runAsync(call) {
    const loop = GLib.MainLoop.new(null, false);
    let problem = null;
    call().catch(e => (problem = e)).finally(() => loop.quit());
    loop.run();
    if (problem !== null)
        throw problem;
}

function testAsyncGenerator() {
    const [observer, transport] = newObserver();
    async function* words(run, fails) {
        for (const word of ['a', 'b', 'c']) {
            await null; // eslint-disable-line no-await-in-loop
            run.run(`word-${word}`, () => word);
            yield word;
        }
        if (fails)
            throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, 'enough');
    }
    runAsync(async () => {
        const all = [];
        for await (const word of observer.run('all', run => words(run, false)))
            all.push(word);
        assertEqual(all, ['a', 'b', 'c']);
        for await (const word of observer.run('some', run => words(run, false))) {
            if (word === 'b')
                break;
        }
        try {
            for await (const word of observer.run('failed', run => words(run, true)))
                void word;
            assertEqual('no error', null);
        } catch (e) {
            assertEqual(e.message, 'enough');
        }
    });
    const events = flush(observer, transport);
    assertEqual(['all', 'some', 'failed'].map(name => textOf(events[name].get_outputs())),
        ['{"value":["a","b","c"]}', '{"value":["a","b"]}', '{"value":["a","b","c"]}']);
    assertEqual(['all', 'some', 'failed'].map(name => events[name].get_error_text()), [null, null, 'Cancelled']);
    assertEqual(events['word-c'].get_parent_id(), events.failed.get_id());
}

// wrap() takes a run that was started by hand, and waits for promises, too.
function testWrap() {
    const [observer, transport] = newObserver();
    const promised = observer.start_run('promised');
    assertEqual(observer.start_run('plain', {a: 1}).wrap(run => run.get_name()), 'plain');
    runAsync(async () => {
        const value = await promised.wrap(async run => {
            await null;
            assertEqual(run.get_status(), Lsobs.RunStatus.RUNNING);
            return {v: 1};
        });
        assertEqual(value, {v: 1});
    });
    const events = flush(observer, transport);
    assertEqual([textOf(events.plain.get_outputs()), textOf(events.promised.get_outputs())], ['{"value":"plain"}', '{"v":1}']);
}

// What is null or has a usual value may be left out.
function testLeftOutArguments() {
    const [observer, transport] = newObserver();
    const run = observer.start_run('run');
    assertEqual(run.add_feedback('right', 1), true);
    const call = observer.trace_message(Soup.Message.new('POST', 'http://127.0.0.1/v1/chat/completions'));
    assertEqual(call.dup_parent_id(), null);
    call.fail(new Error('not sent'));
    const graph = observer.begin_invocation('graph');
    graph.on_node_start('node');
    graph.on_node_end('node');
    graph.end();
    run.end();
    const [done] = observer.flush();
    assertEqual(done, true);
    observer.shutdown();
    assertEqual(transport.dup_events().length > 3, true);
}

function testDefaultObserver() {
    const [observer, transport] = newObserver();
    const made = Lsobs.get_default_observer();
    assertEqual([made === Lsobs.get_default_observer(), made.get_tracing_enabled()], [true, false]);
    assertEqual(Lsobs.run('untraced', run => run.is_sampled()), false);
    Lsobs.set_default_observer(observer);
    assertEqual(Lsobs.run('traced', {a: 1}, () => 2, {threadId: 't-1'}), 2);
    Lsobs.set_default_observer(null);
    const events = flush(observer, transport);
    assertEqual(Object.keys(events), ['traced']);
    assertEqual(getMetadata(events.traced).get_string_member('thread_id'), 't-1');
}

function assertThrows(call, kind, part) {
    let problem = null;
    try {
        call();
    } catch (e) {
        problem = e;
    }
    assertEqual([problem instanceof kind, problem?.message.includes(part)], [true, true]);
}

// What is assigned to a run that the program ends itself is there without another word.
function testOutputsByHand() {
    const [observer, transport] = newObserver();
    const runs = {};
    for (const name of ['end', 'fail', 'error', 'argument']) {
        runs[name] = observer.start_run(name);
        runs[name].outputs = {of: name};
    }
    runs.end.end();
    runs.fail.fail(new RangeError('no'));
    runs.error.fail(new GLib.Error(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND, 'gone'));
    runs.argument.end({by: 'hand'});
    const events = flush(observer, transport);
    assertEqual(['end', 'fail', 'error', 'argument'].map(name => textOf(events[name].get_outputs())),
        ['{"of":"end"}', '{"of":"fail"}', '{"of":"error"}', '{"by":"hand"}']);
    assertEqual(events.fail.get_error_text(), 'RangeError: no');
    assertEqual(hasMetadata(events.fail, 'error_domain'), false);
    assertEqual(hasMetadata(events.error, 'error_domain'), true);
}

function testMembers() {
    const [observer] = newObserver();
    const root = observer.start_run('root');
    const child = root.start_child('child');
    assertEqual([root.id, root.trace_id, root.traceId], Array(3).fill(root.dup_id()));
    assertEqual([child.id, child.trace_id], [child.dup_id(), root.id]);
    for (const name of ['id', 'trace_id', 'traceId', 'error', 'metadata', 'tags', 'inputs', 'status']) {
        assertThrows(() => {
            child[name] = 'x';
        }, TypeError, name);
    }
}

// A start takes the options that run() takes.
function testStartOptions() {
    const [observer, transport] = newObserver();
    const options = {runType: 'tool', tags: ['a', 'b'], metadata: {k: [1]}, threadId: 't-1'};
    const root = observer.start_run('root', {q: 1}, options);
    root.start_child('child', null, options).end();
    root.end();
    observer.start_nested_run('nested', {}, options).end();
    Lsobs.set_default_observer(observer);
    Lsobs.start_run('default', {q: 2}, options).end();
    const call = Lsobs.trace_message(Soup.Message.new('POST', 'http://127.0.0.1/v1/chat/completions'), '{}', root);
    Lsobs.set_default_observer(null);
    assertEqual(call.dup_parent_id(), root.id);
    call.fail(new Error('not sent'));
    for (const wrong of [{tag: 'a'}, {threadId: 3}, {metadata: 1}]) {
        assertThrows(() => observer.start_run('wrong', {}, wrong), TypeError, 'option');
        assertThrows(() => root.start_child('wrong', {}, wrong), TypeError, 'option');
    }
    const events = flush(observer, transport);
    for (const name of ['root', 'child', 'nested', 'default']) {
        const metadata = getMetadata(events[name]);
        assertEqual([events[name].get_run_type(), events[name].get_tags(), textOf(metadata.get_member('k')),
            metadata.get_string_member('thread_id')], [Lsobs.RunType.TOOL, ['a', 'b'], '[1]', 't-1']);
    }
    assertEqual(textOf(events.root.get_inputs()), '{"q":1}');
    assertEqual('wrong' in events, false);
}

function testBodies() {
    const [observer, transport] = newObserver();
    const text = JSON.stringify({model: 'm', messages: [{role: 'user', content: 'ü'}]});
    const bytes = new TextEncoder().encode(text);
    const trace = body => observer.trace_message(Soup.Message.new('POST', 'http://127.0.0.1/v1/chat/completions'), body);
    for (const body of [text, bytes, new GLib.Bytes(bytes)])
        trace(body).fail(new Error('not sent'));
    for (const body of [{model: 'm'}, 5])
        assertThrows(() => trace(body), TypeError, 'body is a string');
    observer.flush(TIMEOUT);
    const inputs = transport.dup_events().map(event => textOf(event.get_inputs()));
    assertEqual(inputs, Array(3).fill(inputs[0]));
    assertEqual(inputs[0].includes('ü'), true);
    const run = observer.start_run('run');
    for (const score of ['up', null, {}])
        assertThrows(() => run.add_feedback('thumb', score), TypeError, 'set_value');
    assertEqual([run.add_feedback('thumb', true), run.add_feedback('thumb', 0)], [true, true]);
}

// The async functions of lsobs return promises by themselves, and take functions as well.
function testPromises() {
    const [observer] = newObserver();
    runAsync(async () => {
        const [stats] = await observer.flush_async(TIMEOUT, null);
        assertEqual(stats instanceof Lsobs.FlushStats, true);
        await new Promise(resolve => observer.flush_async(TIMEOUT, null, (_, result) => {
            observer.flush_finish(result);
            resolve();
        }));
        await observer.shutdown_async(TIMEOUT, null);
    });
}

// A function of a class, without an object, is a promise, too.
function testCheck() {
    const config = newConfig();
    // nobody listens there
    config.set_api_url('http://127.0.0.1:1');
    runAsync(async () => {
        const report = await Lsobs.Client.check_async(config, null);
        assertEqual(JSON.parse(textOf(report))[0].info.problem, 'unreachable');
    });
}

const tests = {testOutputsByHand, testMembers, testStartOptions, testBodies, testPromises, testCheck, testValues, testErrorValues, testRedactKeys, testMistakes, testPlace, testHeldOutputs, testCancelled, testGenerators,
    testAsyncGenerator, testWrap, testLeftOutArguments,
    testDefaultObserver, testRedactFunc, testLeftOut, testInvocation, testConstruction, testPlainValues, testAwkwardValues, testRunTypes, testRun, testNested,
    testNestedAsync, testPromise, testOddPromise};
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
