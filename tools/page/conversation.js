// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads conversations out of inputs and outputs, in the forms of OpenAI (chat and responses), Anthropic, Gemini
// and LangChain. All become messages: {role, name, parts}, where a part is one of
//   {kind: "text", text}   {kind: "reasoning", text}   {kind: "image", source, label}   {kind: "data", value, label}
//   {kind: "call", id, name, args}   {kind: "result", id, name, value, failed}
// and role is system, user, assistant or tool, or what else the program calls it.

const ROLES = {
    human: 'user', ai: 'assistant', model: 'assistant', developer: 'system', function: 'tool', aimessagechunk: 'assistant',
    humanmessage: 'user', aimessage: 'assistant', systemmessage: 'system', toolmessage: 'tool', humanmessagechunk: 'user',
    functionmessage: 'tool',
};

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = value => Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];

function nameRole(role) {
    const name = String(role ?? '').toLowerCase();

    return ROLES[name] ?? name;
}

// Arguments are often JSON in a string.
function readArguments(args) {
    if (typeof args !== 'string')
        return args ?? {};
    try {
        return JSON.parse(args);
    } catch {
        return args;
    }
}

function imageOf(mime, data) {
    return {kind: 'image', source: typeof data === 'string' ? `data:${mime};base64,${data}` : '', label: String(mime ?? '')};
}

function readImageUrl(value) {
    const url = typeof value === 'string' ? value : value?.url;

    return {kind: 'image', source: String(url ?? ''), label: String(url ?? '')};
}

function readSource(source, label) {
    if (source?.type === 'base64' || source?.data)
        return String(source.media_type).startsWith('image/') ? imageOf(source.media_type, source.data)
            : {kind: 'data', label: source.media_type, value: source};
    if (source?.url)
        return readImageUrl(source.url);
    return {kind: 'data', label, value: source};
}

// Blocks that say by their type what they are.
const BLOCKS = {
    text: block => ({kind: 'text', text: String(block.text ?? '')}),
    input_text: block => ({kind: 'text', text: String(block.text ?? '')}),
    output_text: block => ({kind: 'text', text: String(block.text ?? '')}),
    refusal: block => ({kind: 'text', text: String(block.refusal ?? '')}),
    thinking: block => ({kind: 'reasoning', text: String(block.thinking ?? '')}),
    redacted_thinking: () => ({kind: 'reasoning', text: ''}),
    reasoning: block => ({
        kind: 'reasoning',
        text: [block.reasoning, block.text, ...list(block.summary).map(one => one?.text), ...list(block.content).map(one => one?.text)]
            .filter(text => typeof text === 'string').join('\n\n'),
    }),
    image_url: block => readImageUrl(block.image_url),
    input_image: block => readImageUrl(block.image_url ?? block.file_id),
    image: block => block.source ? readSource(block.source, 'image')
        : block.data ?? block.base64 ? imageOf(block.mime_type ?? block.mimeType, block.data ?? block.base64) : readImageUrl(block.url),
    document: block => readSource(block.source, block.title ?? 'document'),
    tool_use: block => ({kind: 'call', id: block.id, name: block.name, args: block.input ?? {}}),
    server_tool_use: block => ({kind: 'call', id: block.id, name: block.name, args: block.input ?? {}}),
    tool_call: block => ({kind: 'call', id: block.id, name: block.name, args: readArguments(block.args ?? block.arguments)}),
    function_call: block => ({kind: 'call', id: block.call_id ?? block.id, name: block.name, args: readArguments(block.arguments)}),
    tool_result: block => ({
        kind: 'result', id: block.tool_use_id, name: block.name, value: block.content, failed: Boolean(block.is_error),
    }),
    function_call_output: block => ({kind: 'result', id: block.call_id, value: block.output}),
};

// Parts of Gemini have no type.
function readPart(part) {
    if (typeof part.text === 'string')
        return {kind: part.thought === true ? 'reasoning' : 'text', text: part.text};
    const call = part.functionCall ?? part.function_call;
    if (isObject(call))
        return {kind: 'call', id: call.id ?? call.name, name: call.name, args: call.args ?? {}};
    const response = part.functionResponse ?? part.function_response;
    if (isObject(response))
        return {kind: 'result', id: response.id ?? response.name, name: response.name, value: response.response};
    const inline = part.inlineData ?? part.inline_data;
    const mime = inline?.mimeType ?? inline?.mime_type;
    if (isObject(inline) && String(mime).startsWith('image/'))
        return imageOf(mime, inline.data);
    return {kind: 'data', value: part};
}

function readBlock(block) {
    if (typeof block === 'string')
        return {kind: 'text', text: block};
    if (!isObject(block))
        return {kind: 'data', value: block};
    const read = typeof block.type === 'string' && Object.hasOwn(BLOCKS, block.type) ? BLOCKS[block.type] : null;

    if (read)
        return read(block);
    return block.type === undefined ? readPart(block) : {kind: 'data', label: String(block.type), value: block};
}

function readCalls(calls) {
    return list(calls).filter(isObject).map(call => ({
        kind: 'call', id: call.id, name: call.function?.name ?? call.name,
        args: readArguments(call.function?.arguments ?? call.args ?? call.arguments),
    }));
}

// A message of LangChain, as it is written to JSON.
function unwrap(message) {
    if (message.lc !== undefined && isObject(message.kwargs)) {
        const className = list(message.id).at(-1);

        return {...message.kwargs, role: message.kwargs.role ?? message.kwargs.type ?? className};
    }
    if (isObject(message.data) && typeof message.type === 'string' && message.content === undefined)
        return {...message.data, role: message.type};
    return message;
}

function looksLikeMessage(value) {
    if (!isObject(value))
        return false;
    const message = unwrap(value);
    const role = message.role ?? message.type;

    if (typeof role !== 'string')
        return false;
    return message !== value || message.content !== undefined || message.parts !== undefined || message.tool_calls !== undefined ||
        ['function_call', 'function_call_output', 'reasoning'].includes(message.type);
}

// Returns a message, of what looksLikeMessage () holds for.
function readMessage(value) {
    const message = unwrap(value);

    // An item of the Responses API that is no message.
    if (message.role === undefined && Object.hasOwn(BLOCKS, message.type))
        return {role: message.type === 'function_call_output' ? 'tool' : 'assistant', parts: [BLOCKS[message.type](message)]};
    const role = nameRole(message.role ?? message.type);
    const reasoning = message.reasoning_content ?? message.reasoning ?? message.additional_kwargs?.reasoning_content;
    const parts = typeof reasoning === 'string' && reasoning !== '' ? [{kind: 'reasoning', text: reasoning}] : [];
    const content = list(message.content ?? message.parts).map(readBlock);

    if (role === 'tool' && !content.some(part => part.kind === 'result'))
        parts.push({
            kind: 'result', id: message.tool_call_id ?? message.name, name: message.name, value: message.content,
            failed: message.status === 'error',
        });
    else
        parts.push(...content.filter(part => part.kind !== 'text' || part.text !== ''));
    if (typeof message.refusal === 'string')
        parts.push({kind: 'text', text: message.refusal});
    const calls = message.tool_calls?.length ? message.tool_calls : message.additional_kwargs?.tool_calls ?? message.function_call;
    const known = new Set(parts.filter(part => part.kind === 'call').map(part => part.id));
    parts.push(...readCalls(calls).filter(call => call.id === undefined || !known.has(call.id)));
    return {role, name: typeof message.name === 'string' ? message.name : undefined, parts};
}

// A list of messages; some programs have lists of lists, of one each.
function readMessages(value) {
    const items = Array.isArray(value) && value.length > 0 && value.every(Array.isArray) ? value.flat() : value;

    return Array.isArray(items) && items.length > 0 && items.every(looksLikeMessage) ? items.map(readMessage) : null;
}

function readSystem(value) {
    if (value === undefined || value === null)
        return [];
    const parts = typeof value === 'string' || Array.isArray(value) ? list(value).map(readBlock) : list(value.parts ?? value).map(readBlock);

    return [{role: 'system', parts}];
}

function without(value, names) {
    return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

// Where messages are: [name of the member, how to read it]
const PLACES = [
    ['messages', readMessages],
    ['contents', value => typeof value === 'string' ? [{role: 'user', parts: [readBlock(value)]}] : readMessages(value)],
    ['input', readMessages],
    ['output', value => readMessages(value) ?? (looksLikeMessage(value) ? [readMessage(value)] : null)],
    ['message', value => looksLikeMessage(value) ? [readMessage(value)] : null],
    ['chat_history', readMessages],
    ['choices', value => readMessages(list(value).map(choice => choice?.message ?? choice?.delta))],
    ['candidates', value => readMessages(list(value).map(one => ({role: 'model', ...one?.content})))],
    ['generations', value => {
        const all = list(value).flat();

        return all.length === 0 || !all.every(isObject) ? null : all.map(one => looksLikeMessage(one.message)
            ? readMessage(one.message) : {role: 'assistant', parts: [{kind: 'text', text: String(one.text ?? '')}]});
    }],
];

// Reads a conversation. Returns: {messages, rest: the other members}, or null if there is none
export function readConversation(value) {
    const messages = readMessages(value);

    if (messages)
        return {messages, rest: {}};
    if (!isObject(value))
        return null;
    if (looksLikeMessage(value))
        return {messages: [readMessage(value)], rest: without(value, [
            'role', 'content', 'tool_calls', 'type', 'name', 'reasoning', 'reasoning_content', 'lc', 'id', 'kwargs', 'additional_kwargs', 'refusal',
        ])};
    for (const [name, read] of PLACES) {
        const found = value[name] === undefined ? null : read(value[name]);

        if (found) {
            const system = value.system ?? value.systemInstruction ?? value.system_instruction ?? value.instructions;

            return {
                messages: [...readSystem(system), ...found],
                rest: without(value, [name, 'system', 'systemInstruction', 'system_instruction', 'instructions']),
            };
        }
    }
    return null;
}

// Puts each result to the call that it answers. Returns: {messages, results: results by call part}
export function matchResults(messages) {
    const calls = new Map();
    const results = new Map();
    const left = [];

    for (const message of messages) {
        const parts = message.parts.filter(part => {
            if (part.kind === 'call' && part.id !== undefined)
                calls.set(part.id, part);
            const call = part.kind === 'result' ? calls.get(part.id) : undefined;

            if (!call || results.has(call))
                return true;
            results.set(call, part);
            return false;
        });

        if (parts.length > 0 || message.parts.length === 0)
            left.push({...message, parts});
    }
    return {messages: left, results};
}

// All that is said in messages, without calls of tools.
export function textOf(messages) {
    return messages.flatMap(message => message.parts.filter(part => part.kind === 'text').map(part => part.text)).join('\n\n');
}
