// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which traces are shown. The choice is in the query of the address; this file makes a request of it.
//
//   q        words anywhere in the trace          since    a time, such as 24h; or from, to: ISO times
//   status   error, pending or success            type, tag, name, meta (NAME:VALUE): of a run of the trace
//   thread   a conversation                       latency  seconds, at least; latency-max at most
//   tokens   at least; tokens-max at most         order    errors: those that failed first

const UNITS = {m: 60, h: 3600, d: 86400};

export const PARAMETERS = [
    'q', 'since', 'from', 'to', 'status', 'type', 'tag', 'name', 'meta', 'thread', 'latency', 'latency-max', 'tokens',
    'tokens-max',
];

// A text in the filter language of the service.
const quote = text => JSON.stringify(text);

function all(conditions) {
    if (conditions.length < 2)
        return conditions[0];
    return `and(${conditions.join(', ')})`;
}

// "24h" as the time that was so long ago. Returns: ISO, or null
export function readSince(text, now = Date.now()) {
    const match = /^(\d{1,5})([mhd])$/.exec(text ?? '');

    return match ? new Date(now - Number(match[1]) * UNITS[match[2]] * 1000).toISOString() : null;
}

// Returns: {start, end}: ISO times or null
export function readRange(query) {
    const from = Date.parse(query.get('from') ?? '');
    const to = Date.parse(query.get('to') ?? '');

    return {
        start: Number.isNaN(from) ? readSince(query.get('since')) : new Date(from).toISOString(),
        end: Number.isNaN(to) ? null : new Date(to).toISOString(),
    };
}

function readAmount(text) {
    const number = Number(text);

    return text !== null && text !== '' && Number.isFinite(number) && number >= 0 ? number : null;
}

function addAmounts(conditions, query, name, field) {
    const least = readAmount(query.get(name));
    const most = readAmount(query.get(`${name}-max`));

    if (least !== null)
        conditions.push(`gte(${field}, ${least})`);
    if (most !== null)
        conditions.push(`lte(${field}, ${most})`);
}

// A value that people write is a text, but may have been sent as a number or a truth value.
function metadataCondition(text) {
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);

    if (colon < 0)
        return `eq(metadata_key, ${quote(name)})`;
    const value = text.slice(colon + 1).trim();
    return `and(eq(metadata_key, ${quote(name.trim())}), eq(metadata_value, ${quote(value)}))`;
}

// What to ask the service for. Returns: {filter, tree_filter, search, order}, without what is not asked
export function makeRequest(query) {
    const root = [];
    const runs = [];
    const {start, end} = readRange(query);

    if (start)
        root.push(`gte(start_time, ${quote(start)})`);
    if (end)
        root.push(`lte(start_time, ${quote(end)})`);
    if (['error', 'pending', 'success'].includes(query.get('status')))
        root.push(`eq(status, ${quote(query.get('status'))})`);
    if (query.get('thread'))
        root.push(`eq(thread_id, ${quote(query.get('thread'))})`);
    addAmounts(root, query, 'latency', 'latency');
    addAmounts(root, query, 'tokens', 'total_tokens');
    if (query.get('type'))
        runs.push(`eq(run_type, ${quote(query.get('type'))})`);
    if (query.get('name'))
        runs.push(`eq(name, ${quote(query.get('name'))})`);
    for (const tag of query.getAll('tag'))
        runs.push(`has(tags, ${quote(tag)})`);
    for (const text of query.getAll('meta'))
        runs.push(metadataCondition(text));
    return {
        filter: all(root),
        tree_filter: all(runs),
        search: query.get('q') || undefined,
        order: query.get('order') === 'errors' ? 'errors' : 'newest',
    };
}

// What of a query makes a list: the filters and the order. Returns: text of a query, with its mark, or an empty one
export function listOf(query) {
    const entries = [...query].filter(([name]) => name === 'order' || PARAMETERS.includes(name));

    return entries.length > 0 ? `?${new URLSearchParams(entries)}` : '';
}

// Whether there is a filter at all.
export function isFiltered(query) {
    return PARAMETERS.some(name => query.has(name));
}
