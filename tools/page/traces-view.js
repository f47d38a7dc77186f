// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The traces of a project: the newest first, or those that failed; changed while programs go on.

import {_, ngettext} from './words.js';
import {addresses, go} from './router.js';
import {api} from './api.js';
import {confirmDialog} from './dialog.js';
import {emptyState, errorState, noTracesYet, skeleton} from './states.js';
import {fill, h} from './element.js';
import {icon} from './icons.js';
import {isFiltered, makeRequest} from './filter.js';
import {live, paced} from './live.js';
import {makeFilterBar} from './filter-bar.js';
import {makeTraceHead, makeTraceRow, traceRowHeight} from './trace-row.js';
import {makeTitle, projectTabs, setTrail} from './shell.js';
import {notify, say, tellFailure} from './notice.js';
import {recallTraces, rememberPlace, rememberTrace, rememberTraces} from './recall.js';
import {VirtualList} from './virtual-list.js';

const PAGE = 200;

// More traces than these that changed at once are not asked for one by one.
const MAX_CHANGED = 100;

export function tabsOfProject(project, current) {
    return projectTabs(current, [
        ['traces', _('Traces'), addresses.traces(project)],
        ['threads', _('Threads'), addresses.threads(project)],
        ['chart', _('Chart'), addresses.chart(project)],
    ]);
}

// Where a row belongs: the newest first, or first those that failed.
function comesBefore(a, b, order) {
    if (order === 'errors' && (a.status === 'error') !== (b.status === 'error'))
        return a.status === 'error';
    return a.start_time > b.start_time || a.start_time === b.start_time && a.id > b.id;
}

// Puts rows that changed into a list. Returns: {rows, added}: a new list, and how many are new
function mergeRows(rows, changed, gone, order, isWhole) {
    const fresh = new Map(changed.map(row => [row.id, row]));
    const known = new Set(rows.map(row => row.id));
    const merged = [];
    let added = 0;

    for (const row of rows) {
        const now = fresh.get(row.id);

        // A trace that has failed goes to its place among the errors.
        if (now && order === 'errors' && now.status !== row.status)
            known.delete(row.id);
        else if (now)
            merged.push(now);
        else if (!gone.has(row.id))
            merged.push(row);
    }
    for (const row of changed.filter(one => !known.has(one.id))) {
        let at = merged.findIndex(other => comesBefore(row, other, order));

        if (at < 0 && !isWhole)
            continue;
        if (at < 0)
            at = merged.length;
        merged.splice(at, 0, row);
        added += 1;
    }
    return {rows: merged, added};
}

export function showTraces(host, address, signal) {
    const {project} = address;
    const clear = h('button', {type: 'button', class: 'button danger-quiet'}, icon('trash'), h('span', {class: 'roomy-only'}, _('Clear')));
    const bar = makeFilterBar(clear);
    const count = h('span', {class: 'count', 'aria-live': 'off'});
    const fresh = h('button', {type: 'button', class: 'button primary fresh', hidden: true});
    const list = new VirtualList({
        role: 'grid', label: _('Traces'), className: 'traces', rowHeight: traceRowHeight, header: makeTraceHead(),
        keyOf: row => row.id, makeRow: makeTraceRow, onEnd: () => loadMore(), onOpen: row => go(addresses.trace(row.id)),
    });
    const body = h('div', {class: 'list-host'}, skeleton());
    let request = null;
    let text = '';
    let cursor = null;
    let loading = null;
    let nFresh = 0;
    let total = null;
    let changed = new Set();
    let isStale = false;

    clear.title = _('Delete the traces that are shown');
    clear.setAttribute('aria-label', _('Clear'));
    signal.addEventListener('abort', () => {
        rememberPlace(project, list.element.scrollTop);
        loading?.abort();
        list.dispose();
    });

    const body_of = more => ({project, ...request, limit: PAGE, ...more});

    function showCount() {
        const n = total?.n ?? list.items.length;
        const many = total?.n_more || total === null && cursor;

        count.textContent = ngettext('{n} trace', '{n} traces', n) + (many ? '+' : '');
        fresh.hidden = nFresh === 0;
        if (nFresh > 0)
            fill(fresh, ngettext('{n} new trace', '{n} new traces', nFresh));
    }

    function show(rows, options) {
        rememberTraces(project, rows, {text, cursor, total});
        if (rows.length === 0)
            fill(body, isFiltered(address.query)
                ? emptyState('search', _('No trace matches'), h('p', {}, _('Remove a filter, or search for other words.')))
                : noTracesYet());
        else if (!list.element.isConnected)
            fill(body, list.element, fresh);
        list.setItems(rows, options);
        showCount();
    }

    // The list from its beginning.
    async function load() {
        loading?.abort();
        loading = new AbortController();
        const {signal: stop} = loading;

        try {
            const answer = await api.listTraces(body_of({}), stop);

            cursor = answer.cursor;
            total = answer;
            nFresh = 0;
            list.element.scrollTop = 0;
            show(answer.rows);
            say(count.textContent);
        } catch (error) {
            if (error.name !== 'AbortError' && !signal.aborted)
                fill(body, errorState(error, load));
        } finally {
            if (loading?.signal === stop)
                loading = null;
        }
    }

    async function loadMore() {
        if (!cursor || loading)
            return;
        loading = new AbortController();
        const {signal: stop} = loading;

        try {
            const answer = await api.listTraces(body_of({cursor}), stop);
            const known = new Set(list.items.map(row => row.id));

            cursor = answer.cursor;
            show([...list.items, ...answer.rows.filter(row => !known.has(row.id))]);
        } catch (error) {
            if (error.name !== 'AbortError')
                notify(error.message, true);
            cursor = null;
        } finally {
            if (loading?.signal === stop)
                loading = null;
        }
        list.render();
    }

    // Shows the list as it was when it was left, if it was this one; what has changed since follows.
    function restore() {
        const place = recallTraces(project);

        if (!place || place.state.text !== text || place.rows.length === 0)
            return false;
        ({cursor, total} = place.state);
        show(place.rows);
        list.element.scrollTop = place.top;
        rememberTrace(project, place.active);
        if (place.active)
            list.activate(place.active);
        isStale = true;
        refreshSoon();
        return true;
    }

    function showChanged(rows, gone) {
        const before = list.items.length;
        const atTop = list.element.scrollTop < list.rowHeight;
        const merged = mergeRows(list.items, rows, gone, request.order, !cursor);

        if (total)
            total = {...total, n: total.n + merged.rows.length - before};
        nFresh = atTop ? 0 : nFresh + merged.added;
        show(merged.rows, {keepPlace: true});
    }

    // What has changed is asked for by the filter that is shown: what is not answered has gone.
    async function refresh() {
        const ids = [...changed];
        const all = isStale;

        changed = new Set();
        isStale = false;
        if (loading || ids.length === 0 && !all)
            return;
        if (all || ids.length > MAX_CHANGED) {
            const answer = await api.listTraces(body_of({}), signal);
            const last = answer.rows.at(-1);
            const answered = new Set(answer.rows.map(row => row.id));

            // What would be among these rows and is not is there no more.
            const gone = list.items.filter(row => !answered.has(row.id) && (!answer.cursor || !last ||
                comesBefore(row, last, request.order)));
            total = {...answer, n: (answer.n ?? 0) - Math.max(0, answer.rows.filter(row => list.indexOf(row.id) < 0).length - gone.length)};
            showChanged(answer.rows, new Set(gone.map(row => row.id)));
            total = answer;
            showCount();
            return;
        }
        const answer = await api.listTraces({project, ...request, ids, limit: PAGE}, signal);
        const answered = new Set(answer.rows.map(row => row.id));
        showChanged(answer.rows, new Set(ids.filter(id => !answered.has(id))));
    }

    const refreshSoon = paced(refresh, signal);

    function update(newAddress) {
        address = newAddress;
        bar.update(address.query);
        // Only what the filters say makes another list.
        request = makeRequest(address.query);
        const newText = JSON.stringify([...address.query].sort());
        if (newText === text)
            return;
        const isFirst = text === '';
        text = newText;
        if (!isFirst || !restore())
            load();
    }

    live.addEventListener('runs', event => {
        for (const run of event.detail)
            if (run.project === project)
                changed.add(run.trace);
        refreshSoon();
    }, {signal});
    live.addEventListener('feedback', event => {
        for (const run of event.detail)
            if (list.indexOf(run.trace) >= 0)
                changed.add(run.trace);
        refreshSoon();
    }, {signal});
    live.addEventListener('removed', event => {
        if ((event.detail.projects ?? []).includes(project))
            go('/');
        else
            showChanged([], new Set(event.detail.traces ?? []));
    }, {signal});
    live.addEventListener('reload', event => {
        if (event.detail !== null && (total === null || total.change >= event.detail))
            return;
        isStale = true;
        refreshSoon();
    }, {signal});

    fresh.addEventListener('click', () => {
        nFresh = 0;
        list.element.scrollTop = 0;
        list.element.focus();
        showCount();
    });
    list.element.addEventListener('scroll', () => {
        if (nFresh > 0 && list.element.scrollTop < list.rowHeight) {
            nFresh = 0;
            showCount();
        }
    }, {passive: true, signal});
    clear.addEventListener('click', async () => {
        const {filter, tree_filter: treeFilter, search} = request;
        const sure = filter || treeFilter || search
            ? await confirmDialog(_('Delete the traces that are shown?'),
                _('All traces that the filters show are deleted, {count}. Other traces and the filters stay. This cannot be undone.',
                    {count: count.textContent}), _('Delete these traces'))
            : await confirmDialog(_('Delete all traces of this project?'), _('This cannot be undone.'), _('Delete all traces'));

        if (!sure)
            return;
        await tellFailure(api.clearTraces({project, filter, tree_filter: treeFilter, search}));
        load();
    });

    setTrail([[_('Projects'), addresses.projects()], ['…', '']]);
    api.getProject(project, signal)
        .then(answer => setTrail([[_('Projects'), addresses.projects()], [answer.name, '']]))
        .catch(() => null);
    fill(host, h('div', {class: 'head'}, makeTitle(_('Traces')), tabsOfProject(project, 'traces'), h('span', {class: 'push'}), count), bar.element, body);
    update(address);
    return {
        update,
        keys(event) {
            if (event.key === 'u') {
                go(addresses.projects());
                return true;
            }
            if (!['ArrowDown', 'ArrowUp', 'j', 'k', 'Home', 'End', 'PageDown', 'PageUp'].includes(event.key) || !list.element.isConnected)
                return false;
            list.element.focus();
            return list.handleKey(event);
        },
    };
}
