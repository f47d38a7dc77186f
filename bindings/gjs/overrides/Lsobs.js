// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What makes lsobs feel at home in JavaScript: GJS loads this along with the typelib.
//
//   const answer = await Lsobs.run('answer', {question: '6*7'}, async run => {
//       return await run.run('model', {}, askModel, {runType: 'llm'});
//   });
//
// The whole of the C API stays as it is: what takes an object also takes a Json.Node.

const {Gio, GLib, GObject, Json} = imports.gi;

// What is nested deeper is told as text. json-glib recurses, so this bounds its stack.
const MAX_DEPTH = 100;

// A typed array of more numbers is told by its length.
const MAX_NUMBERS = 1000;

// How long a flush or a shutdown may wait, if the program does not say.
const FLUSH_TIMEOUT_MS = 5000;

// What is kept of the items of a generator: the first ones, as they were.
const MAX_ITEMS = 1000;
const MAX_ITEM_BYTES = 4 * 1024 * 1024;

const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

let Lsobs = null;

// --- values: everything becomes JSON, and keeps its structure, so that rules by key see into it ---

// Any value as text; the value of somebody else's class may not even manage that.
function describe(value) {
    try {
        return String(value).replace(LONE_SURROGATES, '\ufffd');
    } catch (e) {
        return `<${typeof value}>`;
    }
}

function describeProblem(value, problem) {
    return `<${typeof value}: ${describe(problem?.message ?? problem)}>`;
}

const describeBytes = size => `<${size} bytes>`;

// 64 bits are more than a number of JavaScript holds; then they are text.
function integerToPlain(value) {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
}

// What JSON.stringify() takes as it is: a call of toPlain() for each number costs more than its text.
// A number is finite if it is 0 when it is taken from itself: GJS is slow to look up a name of this file
// or a global one, such as Number.isFinite(), so this function uses none, and loops look it up once.
function isPlain(value) {
    return typeof value === 'string' || typeof value === 'number' && value - value === 0 || value === null ||
        typeof value === 'boolean';
}

// The arrays whose data a GVariant has as a typed array has it.
const NUMBER_ARRAYS = {
    an: Int16Array, aq: Uint16Array, ai: Int32Array, au: Uint32Array, ax: BigInt64Array, at: BigUint64Array,
    ad: Float64Array,
};

// Returns undefined for what is no array of numbers.
function numbersToPlain(value, type, above) {
    const Numbers = NUMBER_ARRAYS[type];
    if (Numbers === undefined)
        return undefined;
    const data = new Uint8Array(value.get_data_as_bytes().toArray());
    // data that is not in order has no children
    if (data.length !== value.n_children() * Numbers.BYTES_PER_ELEMENT)
        return [];
    const numbers = Array.from(new Numbers(data.buffer));
    return typeof numbers[0] === 'bigint' ? numbers.map(integerToPlain) : arrayToPlain(numbers, above);
}

function variantToPlain(value, above) {
    const type = value.get_type_string();
    if (type === 'ay')
        return describeBytes(value.n_children());
    const numbers = numbersToPlain(value, type, above);
    if (numbers !== undefined)
        return numbers;
    // the fast way, which is no good for bytes and for numbers of 64 bits, and slow for many numbers
    if (!/[xtyv]|a[nqiud]/.test(type))
        return toPlain(value.recursiveUnpack(), above);
    if (type === 'x' || type === 't')
        return integerToPlain(BigInt(value.print(false)));
    if (!value.is_container())
        return toPlain(value.unpack(), above);
    if (above.length >= MAX_DEPTH)
        return '<GVariant>';
    above.push(value);
    try {
        const children = [];
        for (let i = 0; i < value.n_children(); i++)
            children.push(value.get_child_value(i));
        if (type.startsWith('v') || type.startsWith('m'))
            return children.length > 0 ? variantToPlain(children[0], above) : null;
        if (!type.startsWith('a{'))
            return children.length > 0 || /^[a(]/.test(type)
                ? children.map(child => variantToPlain(child, above)) : value.unpack();
        const plain = Object.create(null);
        for (const child of children)
            plain[describe(variantToPlain(child.get_child_value(0), above))] = variantToPlain(child.get_child_value(1), above);
        return plain;
    } finally {
        above.pop();
    }
}

function jsonToPlain(value) {
    let node = value;
    if (value instanceof Json.Object) {
        node = Json.Node.new(Json.NodeType.OBJECT);
        node.set_object(value);
    } else if (value instanceof Json.Array) {
        node = Json.Node.new(Json.NodeType.ARRAY);
        node.set_array(value);
    }
    return JSON.parse(Json.to_string(node, false));
}

// Where an error of GLib's was made is in its stack, too.
const PLACES = ['stack', 'fileName', 'lineNumber', 'columnNumber'];

// Name, message and stack are not enumerable, and neither is the cause.
function errorToPlain(error, above) {
    const isGLib = error instanceof GLib.Error;
    const plain = Object.create(null);
    plain.name = isGLib ? error.constructor.name.replace('_', '.') : String(error.name);
    plain.message = String(error.message);
    if (isGLib) {
        plain.domain = GLib.quark_to_string(error.domain);
        plain.code = error.code;
    }
    if (error.stack)
        plain.stack = String(error.stack).trimEnd();
    for (const key of ['cause', 'errors']) {
        if (error[key] !== undefined)
            plain[key] = toPlain(error[key], above);
    }
    if (Object.keys(error).length > 0) {
        const members = membersToPlain(error, above);
        for (const key of Object.keys(members)) {
            if (!(key in plain) && !PLACES.includes(key))
                plain[key] = members[key];
        }
    }
    return plain;
}

// Returns undefined for what is an object like any other.
function specialToPlain(value, above) {
    const typeName = value.constructor?.$gtype?.name;
    // the objects of most classes, which have none of the checks below
    if (typeName === undefined && Object.prototype.toString.call(value) === '[object Object]')
        return undefined;
    if (ArrayBuffer.isView(value)) {
        if (value instanceof Uint8Array || value instanceof Uint8ClampedArray || value instanceof DataView)
            return describeBytes(value.byteLength);
        return value.length > MAX_NUMBERS ? `<${value.constructor.name} of ${value.length}>`
            : Array.from(value, member => toPlain(member, above));
    }
    if (value instanceof ArrayBuffer)
        return describeBytes(value.byteLength);
    if (value instanceof Map) {
        const plain = Object.create(null);
        for (const [key, member] of value)
            plain[typeof key === 'string' ? key : describe(toPlain(key, above))] = toPlain(member, above);
        return plain;
    }
    if (value instanceof Set)
        return Array.from(value, member => toPlain(member, above));
    if (value instanceof Error || value instanceof GLib.Error)
        return errorToPlain(value, above);
    if (value instanceof Date || value instanceof RegExp)
        return describe(value);
    if (value instanceof String || value instanceof Number || value instanceof Boolean)
        return toPlain(value.valueOf(), above);
    if (value instanceof GLib.Bytes)
        return describeBytes(value.get_size());
    if (value instanceof GLib.Variant)
        return variantToPlain(value, above);
    if (value instanceof GLib.DateTime)
        return value.format_iso8601();
    if (value instanceof GLib.Uri)
        return value.to_string_partial(GLib.UriHideFlags.PASSWORD);
    if (value instanceof Json.Node || value instanceof Json.Object || value instanceof Json.Array)
        return jsonToPlain(value);
    if (value instanceof Gio.File)
        return value.get_path() ?? value.get_uri();
    return typeof typeName === 'string' && typeName !== 'JSObject' ? `<${typeName}>` : undefined;
}

// Returns the object itself, if nothing in it has to be another value, which is fastest.
function membersToPlain(object, above, copies = false) {
    let plain = copies ? Object.create(null) : null;
    const keys = Object.keys(object);
    const isPlainMember = isPlain;
    for (let i = 0; i < keys.length; i++) {
        const key = keys[i];
        let member, plainMember;
        try {
            member = object[key];
            if (member === undefined)
                continue;
            plainMember = isPlainMember(member) ? member : toPlain(member, above);
        } catch (e) {
            plainMember = describeProblem(object, e);
        }
        if (plain === null && plainMember !== member) {
            plain = Object.create(null);
            for (let j = 0; j < i; j++)
                plain[keys[j]] = object[keys[j]];
        }
        if (plain !== null)
            plain[key] = plainMember;
    }
    return plain ?? object;
}

function arrayToPlain(array, above) {
    // most often, and quickest
    if (array.every(isPlain))
        return array;
    const isPlainMember = isPlain;
    let plain = null;
    for (let i = 0; i < array.length; i++) {
        const member = array[i];
        const plainMember = isPlainMember(member) ? member : toPlain(member, above);
        if (plain === null && plainMember !== member)
            plain = array.slice(0, i);
        if (plain !== null)
            plain[i] = plainMember;
    }
    return plain ?? array;
}

// An object that is neither an array nor has a class.
function isPlainObject(value) {
    const prototype = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
}

function objectToPlain(value, above) {
    let failed = false;
    if (typeof value.toJSON === 'function' && !(value instanceof Date && isNaN(value))) {
        try {
            const plain = value.toJSON();
            if (plain !== value)
                return toPlain(plain, above);
        } catch (e) {
            // then what it is made of
        }
        failed = true;
    }
    if (Array.isArray(value))
        return arrayToPlain(failed ? Array.from(value) : value, above);
    if (isPlainObject(value) && !failed)
        return membersToPlain(value, above);
    const special = isPlainObject(value) ? undefined : specialToPlain(value, above);
    if (special !== undefined)
        return special;
    const plain = membersToPlain(value, above, failed);
    if (failed)
        delete plain.toJSON;
    // a promise or a generator has nothing to show but its name
    if (!isPlainObject(value) && Object.keys(plain).length === 0)
        return value.toString !== Object.prototype.toString ? describe(value) : `<${value.constructor?.name || 'object'}>`;
    return plain;
}

// What JSON.stringify() makes no mistake about; a cycle and what is too deep is text.
// ABOVE has the objects that the value is in.
function toPlain(value, above) {
    switch (typeof value) {
    case 'string':
    case 'boolean':
        return value;
    case 'number':
        return Number.isFinite(value) ? value : String(value);
    case 'undefined':
        return null;
    case 'bigint':
        return integerToPlain(value);
    case 'function':
        return `<function ${describe(value.name)}>`;
    case 'symbol':
        return describe(value);
    }
    if (value === null)
        return null;
    const depth = above.length;
    if (depth >= MAX_DEPTH || above.includes(value))
        return Array.isArray(value) ? '<array>' : '<object>';
    above.push(value);
    try {
        return objectToPlain(value, above);
    } catch (e) {
        return describeProblem(value, e);
    } finally {
        above.length = depth;
    }
}

// No value is refused, since tracing must not break a program.
function toText(value) {
    try {
        return JSON.stringify(toPlain(value, []));
    } catch (e) {
        // a getter has given something else the second time, or the text is too long
        return JSON.stringify(describeProblem(value, e));
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

// What C takes for the body of a message.
function toBody(body) {
    if (body === null || body === undefined || body instanceof GLib.Bytes)
        return body ?? null;
    if (typeof body === 'string')
        return new GLib.Bytes(new TextEncoder().encode(body));
    if (body instanceof Uint8Array)
        return new GLib.Bytes(body);
    throw new TypeError(`body is a string, a Uint8Array or a GLib.Bytes, not ${describe(body)}`);
}

// What C takes for a text.
function clean(value) {
    return describe(value).replaceAll('\0', '\ufffd');
}

// --- starts ---

function getRunType(runType) {
    if (runType === null || runType === undefined)
        return Lsobs.RunType.CHAIN;
    if (typeof runType === 'number' && runType >= Lsobs.RunType.CHAIN && runType <= Lsobs.RunType.PARSER)
        return runType;
    if (typeof runType === 'string' && runType !== '')
        return Lsobs.RunType[runType.toUpperCase()] ?? runType;
    throw new TypeError(`${describe(runType)} is no type of a run: that is a word, or of Lsobs.RunType`);
}

// Replaces METHOD, which also has a form for JSON text and one for any word, and for a run that may be
// a root, one for a project. What is not sent, as IS_SENT tells, is not looked at.
function wrapStart(prototype, method, isSent) {
    const byNode = prototype[method];
    const byBytes = prototype[`${method}_bytes`];
    const byKind = prototype[`${method}_of_kind`];
    const byProject = prototype[`${method}_in_project`];

    const startInProject = function (project, name, inputs, runType) {
        const isKind = typeof runType === 'string';
        const run = byProject.call(this, project, name, isKind ? Lsobs.RunType.CHAIN : runType, toNode(inputs));
        if (isKind)
            run.set_metadata('ls_run_kind', runType);
        return run;
    };

    const start = function (name, inputs, runType, project) {
        runType = getRunType(runType);
        if (!isSent.call(this))
            inputs = null;
        if (project)
            return startInProject.call(this, clean(project), name, inputs, runType);
        if (typeof runType === 'string')
            return byKind.call(this, name, runType, toNode(inputs));
        if (isReady(inputs))
            return byNode.call(this, name, runType, inputs ?? null);
        return byBytes.call(this, name, runType, toBytes(inputs));
    };

    prototype[method] = function (name, inputs, runType) {
        if (typeof name === 'string')
            name = clean(name);
        // the order of the C API; there the inputs are nothing else
        if (arguments.length === 3 && typeof inputs === 'number' && isReady(runType))
            return byNode.call(this, name, inputs, runType ?? null);
        if (typeof runType !== 'object' || runType === null)
            return start.call(this, name, inputs, runType);
        const {parent, project, ...options} = checkOptions(runType, byProject ? ROOT_OPTIONS : OPTIONS);
        if (parent)
            return parent.start_child(name, inputs, options);
        if (parent === null && method !== 'start_run')
            return this.start_run(name, inputs, {project, ...options});
        const run = start.call(this, name, inputs, options.runType, project);
        annotate(run, options);
        return run;
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

// Replaces METHOD, so that arguments may be left out, which are those of DEFAULTS by their index then.
function wrapDefaults(prototype, method, defaults) {
    const original = prototype[method];

    prototype[method] = function (...args) {
        for (const [index, value] of Object.entries(defaults))
            args[index] ??= value;
        return original.apply(this, args);
    };
}

function getErrorText(error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : error?.message ?? error;
    return clean(text);
}

// A program that uses abort signals of its own cancels by an AbortError, one that uses GIO by a
// GLib.Error.
function toError(error) {
    if (error instanceof GLib.Error)
        return error;
    if (error?.name === 'AbortError')
        return new GLib.Error(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED, getErrorText(error));
    // C records the domain of an error and its code, except for those of this domain
    return new GLib.Error(GLib.quark_from_string('lsobs-exception'), 0, getErrorText(error));
}

// Replaces METHOD, whose argument at INDEX is an error, so that it takes whatever is thrown.
function wrapError(prototype, method, index) {
    const original = prototype[method];

    prototype[method] = function (...args) {
        args[index] = toError(args[index]);
        return original.apply(this, args);
    };
}

// What the run of another library may have, with the function that is for it here.
const SETTERS = {
    error: 'fail()', inputs: 'an argument of the start', tags: 'add_tag()', metadata: 'set_metadata()',
    name: 'an argument of the start', run_type: 'an argument of the start', runType: 'an argument of the start',
    thread_id: 'set_thread_id()', threadId: 'set_thread_id()', status: 'end() and fail()',
};

// The ids, which can be read alone; and what can only be told by a function is no member that
// can be set, which would lose the value without a word.
function addMembers(prototype) {
    const refuse = (name, instead) => function () {
        throw new TypeError(`${name} of a run cannot be set${instead}; what can be set is outputs`);
    };

    for (const [name, method] of [['id', 'dup_id'], ['trace_id', 'dup_trace_id'], ['traceId', 'dup_trace_id']]) {
        Object.defineProperty(prototype, name, {
            get() {
                return this[method]();
            },
            set: refuse(name, ''),
        });
    }
    for (const [name, instead] of Object.entries(SETTERS)) {
        Object.defineProperty(prototype, name, {
            get: () => undefined,
            set: refuse(name, `: that is ${instead}`),
        });
    }
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

// --- the work of a run ---

const AsyncFunction = (async () => {}).constructor;

// Calls CALL with RUN as the current run of the thread, so that what it starts is below. An
// async function goes on when others have had their turns, and the engine does not tell whose
// turn it is: it hands its run on itself, all the way, and not only up to where it first waits.
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

const isRunning = run => run.get_status() === Lsobs.RunStatus.RUNNING;

function endWith(run, value) {
    if (isRunning(run))
        run.end(run.outputs ?? value);
    return value;
}

function failWith(run, error) {
    if (isRunning(run)) {
        if (run.outputs !== undefined && run.outputs !== null)
            run.fail_with_outputs(error, run.outputs);
        else
            run.fail(error);
    }
    throw error;
}

// The items of a generator, which are the outputs of its run.
class Items {
    constructor(run) {
        this._run = run;
        this._texts = [];
        this._size = 0;
        this._nLeftOut = 0;
    }

    add(item) {
        if (!this._run.is_sampled())
            return;
        if (this._nLeftOut === 0 && this._texts.length < MAX_ITEMS) {
            const text = item instanceof Json.Node ? Json.to_string(item, false) : toText(item);
            if (this._size + text.length <= MAX_ITEM_BYTES) {
                this._texts.push(text);
                this._size += text.length;
                return;
            }
        }
        this._nLeftOut++;
    }

    // Gives them to the run, unless that has outputs of its own.
    hand() {
        if (this._nLeftOut > 0 && isRunning(this._run))
            this._run.set_metadata('items_left_out', this._nLeftOut);
        this._run.outputs ??= this._run.is_sampled() ? Json.from_string(`[${this._texts.join(',')}]`) : null;
    }
}

// Follows a generator to its end, which is also that its consumer has had enough: the run ends
// then, with the items so far. Each step of a generator that is not async has RUN as the current
// run; what its consumer does in between has not.
function followGenerator(run, generator, isAsync) {
    const items = new Items(run);
    const take = step => {
        if (!step.done) {
            items.add(step.value);
            return step;
        }
        items.hand();
        endWith(run);
        return step;
    };
    const fail = error => {
        items.hand();
        return failWith(run, error);
    };
    const step = (method, ...args) => {
        if (isAsync)
            return generator[method](...args).then(take, fail);
        let result;
        try {
            result = callWithin(run, () => generator[method](...args));
        } catch (error) {
            return fail(error);
        }
        return take(result);
    };
    return {
        next: (...args) => step('next', ...args),
        return: value => step('return', value),
        throw: error => step('throw', error),
        [isAsync ? Symbol.asyncIterator : Symbol.iterator]() {
            return this;
        },
    };
}

const OPTIONS = ['runType', 'tags', 'metadata', 'threadId'];

// Those of a run that need not be below another one.
const ROOT_OPTIONS = [...OPTIONS, 'project', 'parent'];

function checkPlace({parent, project}) {
    if (parent !== null && parent !== undefined && !(parent instanceof Lsobs.Run))
        throw new TypeError(`the option parent is an Lsobs.Run, or null for none, not ${describe(parent)}`);
    if (project !== null && project !== undefined && typeof project !== 'string')
        throw new TypeError(`the option project is a string, not ${describe(project)}`);
    if (parent && project)
        throw new TypeError('a run with a parent is in the project of the parent: leave out one of the options');
}

// A mistake in a call is told before anything is started.
function checkOptions(options, known) {
    if (options === null || options === undefined)
        return {};
    if (typeof options !== 'object' || Array.isArray(options) || options instanceof Json.Node)
        throw new TypeError(`the options of a run are an object, not ${describe(options)}`);
    for (const key of Object.keys(options)) {
        if (!known.includes(key))
            throw new TypeError(`the run has no option ${key} here; the options are ${known.join(', ')}`);
    }
    checkPlace(options);
    getRunType(options.runType);
    const {tags, metadata, threadId} = options;
    if (tags && typeof tags !== 'string' && typeof tags[Symbol.iterator] !== 'function')
        throw new TypeError(`the option tags is a list of words, not ${describe(tags)}`);
    if (metadata && typeof metadata !== 'object')
        throw new TypeError(`the option metadata is an object, not ${describe(metadata)}`);
    if (threadId && typeof threadId !== 'string')
        throw new TypeError(`the option threadId is a string, not ${describe(threadId)}`);
    return options;
}

function checkWork(call) {
    if (typeof call !== 'function')
        throw new TypeError(`the work of a run is a function, not ${describe(call)}`);
}

// Gives RUN what checked options say, besides its type.
function annotate(run, {tags, metadata, threadId}) {
    for (const tag of typeof tags === 'string' ? [tags] : tags ?? [])
        run.add_tag(tag);
    for (const [key, member] of Object.entries(metadata ?? {}))
        run.set_metadata(key, member);
    if (threadId)
        run.set_thread_id(clean(threadId));
}

// Ends RUN with what CALL returns or fails it with what CALL throws: now, or as a promise, or when
// a generator is at its end.
function follow(run, call) {
    let value;
    try {
        value = callWithin(run, call);
    } catch (error) {
        return failWith(run, error);
    }
    let kind = '', then;
    try {
        kind = Object.prototype.toString.call(value);
        then = value?.then;
    } catch (e) {
        // a getter of it fails: it is a value like any other
    }
    switch (kind) {
    case '[object Generator]':
        return followGenerator(run, value, false);
    case '[object AsyncGenerator]':
        return followGenerator(run, value, true);
    }
    if (typeof then !== 'function')
        return endWith(run, value);
    try {
        return then.call(value, result => endWith(run, result), error => failWith(run, error));
    } catch (error) {
        return failWith(run, error);
    }
}

// Starts a run by START, the method of OWNER, and follows its work. The inputs may be left out.
function startAndFollow(owner, start, name, inputs, call, options) {
    if (typeof inputs === 'function' && typeof call !== 'function') {
        options = call;
        call = inputs;
        inputs = null;
    }
    checkWork(call);
    options = checkOptions(options, owner instanceof Lsobs.Run ? OPTIONS : ROOT_OPTIONS);
    return follow(start.call(owner, name, inputs, options), call);
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
    const {version} = imports.system;
    Lsobs.set_language('gjs', [version / 10000, version / 100 % 100, version % 100].map(Math.floor).join('.'));
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

    const addFeedback = run.add_feedback;
    run.add_feedback = function (key, score, comment) {
        if (typeof score !== 'number' && typeof score !== 'boolean') {
            throw new TypeError(`score is a number, not ${describe(score)}; a value that is no number is set ` +
                'by Lsobs.Feedback.set_value(), and sent by Lsobs.Observer.add_feedback()');
        }
        return addFeedback.call(this, key, Number(score), comment ?? null);
    };
    const traceMessage = observer.trace_message;
    observer.trace_message = function (message, body, parent) {
        return traceMessage.call(this, message, toBody(body), parent ?? null);
    };
    wrapDefaults(observer, 'flush', {0: FLUSH_TIMEOUT_MS});
    wrapDefaults(observer, 'shutdown', {0: FLUSH_TIMEOUT_MS});

    const addTag = run.add_tag;
    run.add_tag = function (tag) {
        addTag.call(this, clean(tag));
    };

    const invocation = Lsobs.Invocation.prototype;
    wrapNode(invocation, 'on_node_start', 1);
    wrapNode(invocation, 'on_node_end', 1);
    wrapDefaults(invocation, 'on_node_end', {2: -1});
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

    const {end, end_bytes: endBytes, fail, fail_with_outputs: failWithOutputs} = run;
    // Those of a call, or else the member, which is for the first end.
    const chooseOutputs = (owner, outputs) => outputs ?? (isRunning(owner) ? owner.outputs : null) ?? null;
    run.end = function (outputs) {
        outputs = chooseOutputs(this, outputs);
        // what is not sent is not looked at
        if (isReady(outputs) || !this.is_sampled())
            end.call(this, isReady(outputs) ? outputs : null);
        else
            endBytes.call(this, toBytes(outputs));
    };
    run.fail = function (error) {
        if (chooseOutputs(this, null) !== null)
            this.fail_with_outputs(error, null);
        else if (error instanceof GLib.Error || error?.name === 'AbortError')
            fail.call(this, toError(error));
        else
            this.fail_with_message(getErrorText(error));
    };
    run.fail_with_outputs = function (error, outputs) {
        outputs = chooseOutputs(this, outputs);
        failWithOutputs.call(this, toError(error), this.is_sampled() ? toNode(outputs) : null);
    };
    addMembers(run);

    // NAME, INPUTS, which may be left out, CALL, which gets the run, and OPTIONS: runType, tags,
    // metadata, threadId; of the first also parent, a run or null for none, and project, of the trace if
    // the run is its root. Without the option, the parent is the run of the function that has called this
    // one, unless that is async: then this starts a trace, and the run that the function is given has a
    // run() that starts below it. See callWithin().
    observer.run = function (name, inputs, call, options) {
        return startAndFollow(this, this.start_nested_run, name, inputs, call, options);
    };
    run.run = function (name, inputs, call, options) {
        return startAndFollow(this, this.start_child, name, inputs, call, options);
    };
    // The C API's function ends a run whose promise is pending.
    run.wrap = function (call) {
        checkWork(call);
        return follow(this, call);
    };

    // One observer for the program, as the environment says, made when it is first needed.
    let defaultObserver = null;
    Lsobs.get_default_observer = function () {
        defaultObserver ??= Lsobs.Observer.new_default();
        return defaultObserver;
    };
    Lsobs.set_default_observer = function (value) {
        if (value !== null && !(value instanceof Lsobs.Observer))
            throw new TypeError(`the default observer is an Lsobs.Observer or null, not ${describe(value)}`);
        defaultObserver = value;
    };
    Lsobs.run = function (name, inputs, call, options) {
        return Lsobs.get_default_observer().run(name, inputs, call, options);
    };
    Lsobs.start_run = function (name, inputs, options) {
        return Lsobs.get_default_observer().start_run(name, inputs, options);
    };
    Lsobs.trace_message = function (message, body, parent) {
        return Lsobs.get_default_observer().trace_message(message, body, parent);
    };

    // Without a function for the end, they return a promise.
    for (const [owner, name] of [
        [observer, 'flush'], [observer, 'shutdown'],
        [Lsobs.Exporter.prototype, 'flush'], [Lsobs.Exporter.prototype, 'shutdown'],
        [Lsobs.Exporter.prototype, 'drain_spool'], [Lsobs.Exporter.prototype, 'purge_spool'],
        [Lsobs.Client.prototype, 'replay'], [Lsobs.Client.prototype, 'lookup_run_url'],
        [Lsobs.Client, 'check'],
        [Lsobs, 'session_send'], [Lsobs, 'session_send_and_read'],
    ])
        Gio._promisify(owner, `${name}_async`, `${name}_finish`);
}
