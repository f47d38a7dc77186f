// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What makes lsobs feel at home in JavaScript: GJS loads this along with the typelib.
//
//   const answer = await observer.run('answer', {question: '6*7'}, async run => {
//       return await run.run('model', {}, askModel, {runType: 'llm'});
//   });
//
// The whole of the C API stays as it is: a Json.Node is taken wherever an object is.

const {Gio, GLib, GObject, Json} = imports.gi;

// What is nested deeper is told as text. json-glib recurses, so this bounds its stack.
const MAX_DEPTH = 100;

const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

let Lsobs = null;

// Any value as text; the value of somebody else's class may not even manage that.
function describe(value) {
    try {
        return String(value).replace(LONE_SURROGATES, '\ufffd');
    } catch (e) {
        return `<${typeof value}>`;
    }
}

// What JSON knows; all else as text, and so are a cycle and what is too deep.
function toPlain(value, above = []) {
    if (value === null || value === undefined)
        return null;
    if (typeof value === 'boolean' || Number.isFinite(value))
        return value;
    if (typeof value !== 'object' || value instanceof GObject.Object)
        return describe(value);
    if (above.length >= MAX_DEPTH || above.includes(value))
        return Array.isArray(value) ? '<array>' : '<object>';
    const within = [...above, value];
    if (typeof value.toJSON === 'function')
        return toPlain(value.toJSON(), within);
    if (Array.isArray(value) || value instanceof Set)
        return [...value].map(member => toPlain(member, within));
    const plain = Object.create(null);
    for (const [key, member] of value instanceof Map ? value : Object.entries(value)) {
        if (member !== undefined)
            plain[describe(key)] = toPlain(member, within);
    }
    return plain;
}

// No value is refused, since tracing must not break a program.
function toText(value) {
    try {
        return JSON.stringify(toPlain(value));
    } catch (e) {
        return JSON.stringify(describe(value));
    }
}

function isReady(value) {
    return value === null || value === undefined || value instanceof Json.Node;
}

function toNode(value) {
    return isReady(value) ? value ?? null : Json.from_string(toText(value));
}

function toBytes(value) {
    return new GLib.Bytes(new TextEncoder().encode(toText(value)));
}

// What C takes for a text.
function clean(value) {
    return describe(value).replaceAll('\0', '\ufffd');
}

// Replaces METHOD, which also has a form for JSON text and one for any word. What is not
// sent, as IS_SENT tells, is not looked at.
function wrapStart(prototype, method, isSent) {
    const byNode = prototype[method];
    const byBytes = prototype[`${method}_bytes`];
    const byKind = prototype[`${method}_of_kind`];

    prototype[method] = function (name, inputs, runType) {
        if (typeof name === 'string')
            name = clean(name);
        // the order of the C API; there the inputs are nothing else
        if (arguments.length === 3 && typeof inputs === 'number' && isReady(runType))
            return byNode.call(this, name, inputs, runType ?? null);
        if (!isSent.call(this))
            inputs = null;
        runType ??= Lsobs.RunType.CHAIN;
        if (typeof runType === 'string') {
            const member = Lsobs.RunType[runType.toUpperCase()];
            if (typeof member !== 'number')
                return byKind.call(this, name, runType, toNode(inputs));
            runType = member;
        }
        if (isReady(inputs))
            return byNode.call(this, name, runType, inputs ?? null);
        return byBytes.call(this, name, runType, toBytes(inputs));
    };
}

// Replaces METHOD, whose argument at INDEX is JSON.
function wrapNode(prototype, method, index) {
    const original = prototype[method];

    prototype[method] = function (...args) {
        args[index] = toNode(args[index]);
        return original.apply(this, args);
    };
}

function getErrorText(error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : error?.message ?? error;
    return clean(text);
}

// Replaces METHOD, whose argument at INDEX is an error, so that it takes whatever is thrown.
function wrapError(prototype, method, index) {
    const original = prototype[method];

    prototype[method] = function (...args) {
        if (!(args[index] instanceof GLib.Error)) {
            args[index] = new GLib.Error(Gio.io_error_quark(), Gio.IOErrorEnum.FAILED,
                getErrorText(args[index]));
        }
        return original.apply(this, args);
    };
}

// Lets `new` of a class that may fail do what its new() does.
function wrapConstruction(prototype) {
    prototype._init = function (properties = {}) {
        if (!(properties.config instanceof Lsobs.Config))
            throw new TypeError('config is missing');
        GObject.Object.prototype._init.call(this, properties);
        this.init(null);
    };
}

const AsyncFunction = (async () => {}).constructor;

// Calls CALL with RUN as the current run of the thread, so that what it starts is below. An
// async function goes on when others have had their turns: it hands its run on itself, all
// the way, and not only up to where it first waits.
function callWithin(run, call) {
    if (call instanceof AsyncFunction)
        return call(run);
    run.push_thread_default();
    try {
        return call(run);
    } finally {
        run.pop_thread_default();
    }
}

// Ends RUN with what CALL returns or fails it with what CALL throws, now or as a promise.
function follow(run, call, {tags, metadata}) {
    const isRunning = () => run.get_status() === Lsobs.RunStatus.RUNNING;
    const end = value => {
        if (isRunning())
            run.end(value);
        return value;
    };
    const fail = error => {
        if (isRunning())
            run.fail_with_message(getErrorText(error));
        throw error;
    };

    let value;
    for (const tag of typeof tags === 'string' ? [tags] : tags ?? [])
        run.add_tag(tag);
    for (const [key, member] of Object.entries(metadata ?? {}))
        run.set_metadata(key, member);
    try {
        value = callWithin(run, call);
    } catch (error) {
        return fail(error);
    }
    return typeof value?.then === 'function' ? value.then(end, fail) : end(value);
}

// Sends what waits before the engine ends, which from then on calls no function of the program:
// what a redaction function has to judge could not leave any more. GJS calls nothing when a
// program ends in another way; then nothing may run the main context either, where the engine has
// left sources that crash.
function wrapExit(system) {
    Lsobs.forbid_callbacks_at_exit();
    const {exit} = system;

    system.exit = function (...args) {
        try {
            Lsobs.shutdown_at_exit();
        } catch (e) {
            // the library has said so, and the program ends
        }
        exit.apply(system, args);
    };
}

function _init() {
    Lsobs = this;
    wrapExit(imports.system);
    const run = Lsobs.Run.prototype;
    const observer = Lsobs.Observer.prototype;

    wrapStart(observer, 'start_run', observer.get_tracing_enabled);
    wrapStart(observer, 'start_nested_run', observer.get_tracing_enabled);
    wrapNode(observer, 'begin_invocation', 1);
    wrapStart(run, 'start_child', run.is_sampled);
    wrapNode(run, 'set_metadata', 1);
    wrapNode(run, 'set_extra', 1);
    wrapNode(run, 'add_event', 1);
    wrapNode(run, 'set_serialized', 0);
    wrapNode(run, 'set_invocation_params', 0);
    wrapNode(run, 'set_usage_from_response', 0);
    wrapNode(run, 'fail_with_outputs', 1);
    wrapError(run, 'fail', 0);
    wrapError(run, 'fail_with_outputs', 0);

    const addTag = run.add_tag;
    run.add_tag = function (tag) {
        addTag.call(this, clean(tag));
    };

    const invocation = Lsobs.Invocation.prototype;
    wrapNode(invocation, 'on_node_start', 1);
    wrapNode(invocation, 'on_node_end', 1);
    wrapError(invocation, 'on_error', 1);
    wrapNode(invocation, 'on_tool_call', 3);
    wrapNode(invocation, 'on_tool_result', 3);
    wrapNode(invocation, 'end', 0);
    wrapError(invocation, 'fail', 0);

    const feedback = Lsobs.Feedback.prototype;
    wrapNode(feedback, 'set_value', 0);
    wrapNode(feedback, 'set_correction', 0);
    wrapNode(feedback, 'set_config', 0);
    wrapNode(feedback, 'set_extra', 0);
    wrapNode(feedback, 'set_source', 1);
    wrapNode(Lsobs.Usage, 'new_from_json', 0);

    wrapConstruction(observer);
    wrapConstruction(Lsobs.Exporter.prototype);
    wrapConstruction(Lsobs.Client.prototype);

    const {end, end_bytes: endBytes} = run;
    run.end = function (outputs) {
        // what is not sent is not looked at
        if (isReady(outputs) || !this.is_sampled())
            end.call(this, isReady(outputs) ? outputs ?? null : null);
        else
            endBytes.call(this, toBytes(outputs));
    };

    // CALL gets the run; OPTIONS are runType, tags and metadata. The parent is the run of the
    // function that has called this one, unless that is async: see callWithin().
    observer.run = function (name, inputs, call, options) {
        return follow(this.start_nested_run(name, inputs, options?.runType ?? 'chain'), call, options ?? {});
    };
    run.run = function (name, inputs, call, options) {
        return follow(this.start_child(name, inputs, options?.runType ?? 'chain'), call, options ?? {});
    };
}
