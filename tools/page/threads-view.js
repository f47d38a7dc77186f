// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The threads of a project, and one thread as a conversation over several traces. The query of the address has
// thread, the one that is shown.

import {_, ngettext} from './words.js';
import {addresses, go, setQuery} from './router.js';
import {api} from './api.js';
import {emptyState, errorState, skeleton} from './states.js';
import {fill, h} from './element.js';
import {formatCost, formatCount, formatDuration, formatExactTime, formatTime, nameStatus, parseTime} from './format.js';
import {icon} from './icons.js';
import {keepState} from './keep.js';
import {live, paced} from './live.js';
import {makeMessages} from './conversation-view.js';
import {makeProse, makeSourceSwitch} from './markdown-view.js';
import {makeText} from './long-text.js';
import {makeValue} from './value-view.js';
import {readConversation} from './conversation.js';
import {makeTitle, setTrail} from './shell.js';
import {statusSign} from './run-signs.js';
import {tellFailure} from './notice.js';
import {tabsOfProject} from './traces-view.js';
import {cut, toLine} from './plain-text.js';
import {VirtualList} from './virtual-list.js';

const ROW_HEIGHT = 84;
// Traces of a thread that are shown at once.
const AT_ONCE = 500;

function makeRow(row, shown) {
    const time = parseTime(row.last_time);

    return h('div', {role: 'option', class: `thread-row${row.error ? ' status-error' : ''}`, 'aria-selected': String(row.thread === shown)},
        h('div', {class: 'thread-head'}, row.error && statusSign('error'), h('bdi', {class: 'thread-name'}, toLine(row.thread)),
            h('time', {class: 'hint', title: formatExactTime(time)}, formatTime(time))),
        h('div', {class: 'line', dir: 'auto'}, cut(row.output || row.input, 200)),
        h('div', {class: 'hint'}, [
            ngettext('{n} trace', '{n} traces', row.n_traces ?? 0),
            row.tokens?.total ? ngettext('{n} token', '{n} tokens', row.tokens.total) : '', row.cost ? formatCost(row.cost) : '',
        ].filter(Boolean).join(' · ')));
}

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);

// The texts that a value says, without names around a single one: {question: "…"} is a text.
function makeSaid(value) {
    const only = isObject(value) && Object.keys(value).length === 1 ? Object.values(value)[0] : value;

    return typeof only === 'string' ? makeProse(only) : makeValue(only ?? null);
}

function makeSide(className, label, name, contents, key) {
    return h('article', {class: `message ${className}`},
        h('div', {class: 'message-head'}, icon(name), label, h('span', {class: 'push'}), makeSourceSwitch([contents], key)),
        h('div', {class: 'message-body'}, contents));
}

// What a trace adds to the conversation: the last words of the user, and all that was answered.
function makeTurn(trace) {
    const inputs = readConversation(trace.inputs);
    const outputs = readConversation(trace.outputs);
    const before = inputs?.messages.length ?? 0;
    const said = inputs?.messages.filter(message => message.role === 'user').slice(-1) ?? [];
    // Some programs answer with the whole conversation.
    const repeats = before > 0 && outputs && outputs.messages.length > before &&
        outputs.messages.slice(0, before).every((message, i) => message.role === inputs.messages[i].role);
    const answered = outputs ? repeats ? outputs.messages.slice(before) : outputs.messages : null;
    const time = parseTime(trace.start_time);

    return h('section', {class: 'turn'},
        h('header', {class: 'turn-head'}, statusSign(trace.status), h('span', {class: 'unseen'}, nameStatus(trace.status)),
            h('a', {href: addresses.trace(trace.id)}, h('bdi', {}, toLine(trace.name) || _('(no name)'))),
            h('span', {class: 'hint'}, [formatDuration(trace.latency), trace.tokens?.total ? _('{n} tokens', {n: formatCount(trace.tokens.total)}) : '']
                .filter(Boolean).join(' · ')),
            h('span', {class: 'push'}), h('time', {class: 'hint', title: formatExactTime(time)}, formatTime(time))),
        said.length > 0 ? makeMessages(said, `${trace.id}-in`) : makeSide('user', _('Input'), 'prompt', makeSaid(trace.inputs), `${trace.id}-in`),
        answered ? makeMessages(answered, `${trace.id}-out`)
            : trace.outputs && Object.keys(trace.outputs).length > 0 && makeSide('assistant', _('Output'), 'llm', makeSaid(trace.outputs), `${trace.id}-out`),
        trace.error && h('div', {class: 'turn-error'}, makeText(trace.error, 'code')));
}

export function showThreads(host, address, signal) {
    const {project} = address;
    const body = h('div', {class: 'threads-body'}, skeleton());
    const side = h('section', {class: 'thread-side', 'aria-label': _('Threads')});
    const conversation = h('section', {class: 'conversation', 'aria-label': _('Conversation'), tabindex: 0});
    const count = h('span', {class: 'count'});
    const list = new VirtualList({
        role: 'listbox', label: _('Threads'), className: 'thread-list', rowHeight: ROW_HEIGHT, keyOf: row => row.thread,
        makeRow: row => makeRow(row, address.query.get('thread')), onEnd: () => loadMore(),
        onOpen: row => setQuery({thread: row.thread}, {push: true}),
    });
    let cursor = null;
    let isLoading = false;
    let shown = null;
    let goal = AT_ONCE;

    side.append(list.element);
    signal.addEventListener('abort', () => list.dispose());

    async function load() {
        const answer = await api.listThreads(project, null, signal);

        cursor = answer.cursor;
        count.textContent = ngettext('{n} thread', '{n} threads', answer.rows.length) + (cursor ? '+' : '');
        if (answer.rows.length === 0) {
            fill(body, emptyState('thread', _('No threads yet'),
                h('p', {}, _('Traces whose metadata have the same “thread_id”, “session_id” or “conversation_id” are one thread.'))));
            return;
        }
        if (!side.isConnected)
            fill(body, side, conversation);
        const fresh = new Set(answer.rows.map(row => row.thread));
        const more = list.items.filter(row => !fresh.has(row.thread));
        list.setItems(cursor ? [...answer.rows, ...more] : answer.rows, {keepPlace: true});
        if (!address.query.get('thread'))
            fill(conversation, emptyState('thread', _('Choose a thread')));
    }

    async function loadMore() {
        if (!cursor || isLoading)
            return;
        isLoading = true;
        const answer = await api.listThreads(project, cursor, signal).catch(() => ({rows: [], cursor: null}));
        const known = new Set(list.items.map(row => row.thread));
        isLoading = false;
        cursor = answer.cursor;
        list.setItems([...list.items, ...answer.rows.filter(row => !known.has(row.thread))]);
    }

    // Returns: {traces, next: where the rest begins, or null}
    async function loadTurns(thread, from, n) {
        const traces = [];
        let next = from;

        do {
            const answer = await api.getThread(project, thread, next, signal);

            traces.push(...answer.traces ?? []);
            next = answer.cursor ?? null;
        } while (next && traces.length < n);
        return {traces, next};
    }

    // A button that shows the traces behind a place in its own.
    function makeMore(thread, from) {
        const button = h('button', {type: 'button', class: 'button more'}, _('Show later traces'));

        button.addEventListener('click', async () => {
            button.disabled = true;
            const found = await tellFailure(loadTurns(thread, from, AT_ONCE));
            button.disabled = false;
            // The thread was shown again meanwhile.
            if (!found || !button.isConnected)
                return;
            const turns = found.traces.map(makeTurn);
            goal += AT_ONCE;
            button.replaceWith(...turns, ...found.next ? [makeMore(thread, found.next)] : []);
            turns[0]?.querySelector('a').focus();
        });
        return button;
    }

    async function loadThread() {
        const thread = address.query.get('thread');

        if (!thread)
            return;
        if (thread !== shown)
            goal = AT_ONCE;
        const {traces, next} = await loadTurns(thread, null, goal);
        if (thread !== address.query.get('thread'))
            return;
        const change = () => fill(conversation,
            h('header', {class: 'conversation-head'},
                h('button', {type: 'button', class: 'button quiet square narrow-only', 'aria-label': _('Back to the threads'), on: {click: () => setQuery({thread: null})}}, icon('back')),
                h('h2', {title: toLine(thread)}, h('bdi', {}, toLine(thread))),
                h('a', {class: 'button quiet', href: `${addresses.traces(project)}?thread=${encodeURIComponent(thread)}`}, icon('filter'), _('Its traces'))),
            traces.length > 0 ? traces.map(makeTurn) : emptyState('thread', _('This thread has no traces')), next && makeMore(thread, next));
        if (shown === thread)
            keepState(conversation, change);
        else
            change();
        shown = thread;
    }

    function fail(error) {
        if (error.name !== 'AbortError')
            fill(body, errorState(error, () => start()));
    }

    async function start() {
        try {
            await load();
            update(address);
        } catch (error) {
            fail(error);
        }
    }

    function update(newAddress) {
        address = newAddress;
        const thread = address.query.get('thread');
        body.classList.toggle('thread-open', Boolean(thread));
        if (thread)
            list.activate(thread, {scroll: shown === null});
        list.refresh();
        if (thread && thread !== shown)
            fill(conversation, skeleton(5));
        loadThread().catch(error => error.name !== 'AbortError' && fill(conversation, errorState(error)));
    }

    const refresh = paced(async () => {
        await load();
        await loadThread();
    }, signal, 300);

    live.addEventListener('runs', event => event.detail.some(run => run.project === project) && refresh(), {signal});
    for (const name of ['removed', 'reload'])
        live.addEventListener(name, refresh, {signal});
    setTrail([[_('Projects'), addresses.projects()], ['…', '']]);
    api.getProject(project, signal)
        .then(answer => setTrail([[_('Projects'), addresses.projects()], [answer.name, addresses.traces(project)], [_('Threads'), '']]))
        .catch(() => null);
    fill(host, h('div', {class: 'head'}, makeTitle(_('Threads')), tabsOfProject(project, 'threads'), h('span', {class: 'push'}), count), body);
    start();
    return {
        update,
        keys(event) {
            if (event.key === 'u') {
                go(addresses.projects());
                return true;
            }
            if (conversation.contains(document.activeElement) || !list.element.isConnected)
                return false;
            if (['ArrowDown', 'ArrowUp', 'j', 'k', 'Home', 'End'].includes(event.key)) {
                list.element.focus();
                return list.handleKey(event);
            }
            return false;
        },
    };
}
