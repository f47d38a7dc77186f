// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One trace: its runs, and beside them what the selected one says. The query of the address has
//   run (the selected one), root (of the part that is shown), tab, compare (a run to compare with)

import {_, ngettext} from './words.js';
import {addresses, go, readMemory, remember, setQuery} from './router.js';
import {api, exportOfTrace} from './api.js';
import {confirmDialog} from './dialog.js';
import {copyText, notify, say, tellFailure} from './notice.js';
import {asPage, errorState, skeleton} from './states.js';
import {fill, h} from './element.js';
import {figure, statusSign} from './run-signs.js';
import {formatCost, formatCount, formatDuration, formatExactTime, formatNumber, formatTime, nameStatus} from './format.js';
import {icon} from './icons.js';
import {listOf, makeRequest} from './filter.js';
import {latencyOf, TraceModel} from './trace-model.js';
import {live, paced} from './live.js';
import {makeSplitter} from './splitter.js';
import {recallTraces, rememberTrace} from './recall.js';
import {RunPanel} from './run-panel.js';
import {RunTree} from './run-tree.js';
import {setTrail} from './shell.js';
import {toLine} from './plain-text.js';

// While runs are at work, their bars grow.
const GROW_MS = 1000;
const SEARCH_DELAY_MS = 200;
const MAX_FOUND = 100;
// After a change in the project, the traces beside this one may be others.
const NEIGHBOURS_MS = 300;

const narrow = matchMedia('(max-width: 760px)');

function squareButton(name, label, action) {
    return h('button', {type: 'button', class: 'button quiet square', title: label, 'aria-label': label, on: {click: action}}, icon(name));
}

export function showTrace(host, address, signal) {
    const id = address.trace;
    const model = new TraceModel();
    const head = h('div', {class: 'trace-head'});
    const rootBar = h('div', {class: 'root-bar', hidden: true});
    const search = h('input', {
        type: 'search', placeholder: _('Search in this trace'), 'aria-label': _('Search in this trace'), autocomplete: 'off',
        spellcheck: 'false',
    });
    const found = h('span', {class: 'found-count', 'aria-live': 'polite'});
    const panel = new RunPanel(signal);
    const tree = new RunTree(model, {onSelect: select, onOpen: open, onRoot: toggleRoot});
    const treeSide = h('section', {class: 'tree-side', 'aria-label': _('Runs')},
        h('div', {class: 'tree-tools'}, h('div', {class: 'search'}, icon('search'), search, found)), rootBar, tree.element);
    const body = h('div', {class: 'trace-body'}, treeSide, makeSplitter(treeSide), panel.element);
    let trace = null;
    let list = '';
    let neighbours = {previous: null, next: null};
    let isLeaving = false;
    let loaded = null;
    let change = null;
    let growth = 0;
    let changed = new Set();
    let isStale = false;
    let foundIds = [];
    let searchTimer = 0;

    signal.addEventListener('abort', () => {
        clearInterval(growth);
        clearTimeout(searchTimer);
        tree.list.dispose();
    });

    // --- selection ---

    function select(run, byUser) {
        if (address.query.get('run') !== run.id && byUser)
            setQuery({run: run.id});
        panel.show(run.id, model);
    }

    function open(run, byMouse) {
        if (narrow.matches) {
            body.classList.add('run-open');
            setQuery({run: run.id}, {push: false});
        }
        if (!byMouse)
            panel.focus();
    }

    function toggleRoot(run) {
        const top = model.root === run.id ? null : run.id;

        setQuery({root: top, run: run.id}, {push: true});
        say(top ? _('{name} is the root', {name: toLine(run.name)}) : _('The whole trace is shown'));
    }

    panel.onRoot = () => {
        const run = model.get(panel.runId);

        if (run)
            toggleRoot(run);
    };
    panel.onBack = () => {
        body.classList.remove('run-open');
        tree.element.focus();
    };

    // --- other traces ---

    // The list that the trace is in: the one it was opened from, with its filters and its order; it stays so along
    // that list. Else it is that of the project.
    function findList() {
        const memory = readMemory();
        const project = trace.project?.id;
        const place = recallTraces(project);

        if (memory?.project === project && typeof memory?.list === 'string')
            list = memory.list;
        else if (place?.ids.includes(id))
            list = listOf(new URL(place.address, location.href).searchParams);
        remember({...memory, project, list});
    }

    // The service knows the list to its end, and as it is now.
    async function findNeighbours() {
        const answer = await api.getNeighbours(
            {project: trace.project.id, ...makeRequest(new URLSearchParams(list)), trace: id}, signal);

        neighbours = {previous: answer.previous ?? null, next: answer.next ?? null};
        showNeighbours();
    }

    function showNeighbours() {
        for (const [name, button] of Object.entries(steps))
            button.disabled = neighbours[name] === null;
    }

    async function goTo(name, message) {
        if (isLeaving)
            return;
        isLeaving = true;
        // A key may be pressed before the trace is there.
        await loaded;
        if (trace && !signal.aborted)
            await tellFailure(findNeighbours());
        isLeaving = false;
        if (!trace || signal.aborted)
            return;
        if (neighbours[name])
            go(addresses.trace(neighbours[name]), {project: trace.project.id, list});
        else
            notify(message);
    }

    const goPrevious = () => goTo('previous', _('This is the first trace of the list'));
    const goNext = () => goTo('next', _('This is the last trace of the list'));
    const steps = {
        previous: squareButton('back', _('Previous trace'), goPrevious), next: squareButton('next', _('Next trace'), goNext),
    };
    const findNeighboursSoon = paced(() => findNeighbours().catch(() => null), signal, NEIGHBOURS_MS);

    function upAddress() {
        const project = trace?.project?.id;

        return project ? recallTraces(project)?.address ?? addresses.traces(project) + list : addresses.projects();
    }

    async function remove() {
        const sure = await confirmDialog(_('Delete this trace?'), _('All of its runs are deleted. This cannot be undone.'), _('Delete the trace'));

        if (!sure)
            return;
        const up = upAddress();
        await tellFailure(api.deleteTrace(id).then(() => go(up)));
    }

    // --- the head ---

    function showHead() {
        const top = model.children(null)[0];

        if (!top)
            return;
        const latency = latencyOf(top);
        const range = model.root ? null : model.range();
        const firstToken = model.firstToken === null ? null : (model.firstToken - top.start) / 1000;
        fill(head,
            h('div', {class: 'trace-title'}, statusSign(top.status), h('h1', {}, h('bdi', {}, toLine(top.name) || _('(no name)'))),
                h('span', {class: `status-word status-${top.status}`}, nameStatus(top.status))),
            h('dl', {class: 'figures'},
                figure(_('Start'), h('time', {title: formatExactTime(top.start)}, formatTime(top.start))),
                figure(_('Latency'), latency === null ? formatDuration(range ? (range.end - range.start) / 1000 : null) : formatDuration(latency)),
                firstToken !== null && figure(_('First token'), formatDuration(firstToken)),
                top.tokens?.total > 0 && figure(_('Tokens'), h('span', {
                    title: _('{input} in, {output} out', {input: formatNumber(top.tokens.input ?? 0), output: formatNumber(top.tokens.output ?? 0)}),
                }, formatCount(top.tokens.total))),
                top.cost > 0 && figure(_('Cost'), formatCost(top.cost))),
            h('div', {class: 'trace-actions'},
                steps.previous, steps.next,
                squareButton('chain', _('Copy the link'), () => copyText(location.href, _('Link copied to the clipboard'))),
                h('a', {
                    class: 'button quiet square', href: exportOfTrace(id), download: `trace-${id}.jsonl`, title: _('Export the trace'),
                    'aria-label': _('Export the trace'),
                }, icon('export')),
                squareButton('trash', _('Delete the trace'), remove)));
        setTrail([[_('Projects'), addresses.projects()], [trace.project?.name ?? _('Project'), upAddress()], [top.name, '']]);
    }

    function showRoot() {
        const run = model.get(model.root);

        rootBar.hidden = !run;
        if (run)
            fill(rootBar, icon('root'), h('span', {}, _('Root:')), h('bdi', {class: 'root-name'}, toLine(run.name)),
                h('button', {type: 'button', class: 'button quiet', on: {click: () => toggleRoot(run)}}, _('Show the whole trace')));
    }

    // --- search ---

    async function find() {
        const words = search.value.trim();
        const lower = words.toLowerCase();

        foundIds = [];
        if (words) {
            const ids = new Set(model.all.filter(run => run.name?.toLowerCase().includes(lower)).map(run => run.id));
            const answer = await api.queryRuns({trace: id, query: words, select: ['id'], limit: MAX_FOUND}, signal).catch(() => null);

            for (const run of answer?.runs ?? [])
                ids.add(run.id);
            if (words !== search.value.trim())
                return;
            foundIds = [...ids];
        }
        tree.setFound(foundIds);
        found.textContent = words ? ngettext('{n} found', '{n} found', foundIds.length) : '';
    }

    // The next run that was found, in the order of the tree.
    function goToFound(step) {
        if (foundIds.length === 0)
            return;
        foundIds.forEach(one => model.reveal(one));
        tree.update();
        const order = tree.list.items.map(row => row.run.id).filter(one => foundIds.includes(one));
        const index = order.indexOf(tree.list.activeKey);
        const next = order[(index + step + order.length) % order.length];

        if (next)
            tree.select(next, {byUser: true});
    }

    search.addEventListener('input', () => {
        clearTimeout(searchTimer);
        searchTimer = setTimeout(find, SEARCH_DELAY_MS);
    });
    search.addEventListener('keydown', event => {
        if (event.key === 'Enter') {
            event.preventDefault();
            goToFound(event.shiftKey ? -1 : 1);
        } else if (event.key === 'Escape') {
            search.value = '';
            find();
            tree.element.focus();
        }
    });

    // --- growth ---

    function showRuns() {
        const running = tree.update();

        showHead();
        showRoot();
        if (running && !growth)
            growth = setInterval(() => document.hidden || showRuns(), GROW_MS);
        else if (!running) {
            clearInterval(growth);
            growth = 0;
        }
    }

    async function refresh() {
        const runs = changed;
        const all = isStale;

        changed = new Set();
        isStale = false;
        const answer = await api.getTrace(id, all ? null : change, signal);
        trace = {...trace, ...answer};
        change = answer.change;
        if (all)
            model.replace(answer.runs);
        else
            model.merge(answer.runs);
        showRuns();
        if (panel.runId && (all || runs.has(panel.runId)))
            panel.reload(model);
    }

    const refreshSoon = paced(refresh, signal);

    live.addEventListener('runs', event => {
        const here = event.detail.filter(run => run.trace === id);

        here.forEach(run => changed.add(run.id));
        if (here.length > 0 && trace)
            refreshSoon();
        if (trace && event.detail.some(run => run.root && run.project === trace.project?.id))
            findNeighboursSoon();
    }, {signal});
    live.addEventListener('feedback', event => {
        if (event.detail.some(run => run.id === panel.runId))
            panel.reloadFeedback();
    }, {signal});
    live.addEventListener('removed', event => {
        if ((event.detail.traces ?? []).includes(id) || (event.detail.projects ?? []).includes(trace?.project?.id)) {
            clearInterval(growth);
            notify(_('This trace was deleted'));
            fill(body, asPage(errorState({status: 404})));
            fill(head);
        }
    }, {signal});
    live.addEventListener('reload', event => {
        if (event.detail !== null && (change === null || change >= event.detail))
            return;
        isStale = true;
        if (trace)
            refreshSoon();
    }, {signal});

    // --- beginning ---

    // What the address says, or the error, or the top.
    function firstRun() {
        return model.get(address.query.get('run')) ?? model.get(model.root) ?? model.findError() ?? model.top;
    }

    async function load() {
        try {
            trace = await api.getTrace(id, null, signal);
        } catch (error) {
            if (error.name === 'AbortError')
                return;
            if (error.status === 404)
                setTrail([[_('Projects'), addresses.projects()], [_('Not found'), '']]);
            fill(host, asPage(errorState(error, () => {
                fill(host, head, body);
                load();
            })));
            return;
        }
        change = trace.change;
        model.merge(trace.runs);
        rememberTrace(trace.project?.id, id);
        findList();
        if (list === '')
            neighbours = {previous: trace.previous ?? null, next: trace.next ?? null};
        else
            findNeighboursSoon();
        showNeighbours();
        fill(host, head, body);
        body.classList.toggle('run-open', narrow.matches && address.query.has('run'));
        model.root = address.query.get('root');
        showRuns();
        const run = firstRun();
        panel.setAddress(address.query);
        if (run)
            tree.select(run.id);
        if (!host.contains(document.activeElement) || document.activeElement === host)
            tree.element.focus({preventScroll: true});
    }

    function update(newAddress) {
        const before = address.query;

        address = newAddress;
        panel.setAddress(address.query);
        if (!trace)
            return;
        if ((before.get('root') ?? null) !== (address.query.get('root') ?? null)) {
            model.root = address.query.get('root');
            showRuns();
        }
        const run = firstRun();
        if (run && run.id !== tree.list.activeKey)
            tree.select(run.id);
        if (narrow.matches)
            body.classList.toggle('run-open', address.query.has('run') && body.classList.contains('run-open'));
    }

    setTrail([[_('Projects'), addresses.projects()], ['…', '']]);
    fill(host, skeleton(12));
    loaded = load();
    return {
        update,
        keys(event) {
            switch (event.key) {
            case '[': goPrevious(); return true;
            case ']': goNext(); return true;
            case 'u': go(upAddress()); return true;
            case 'Escape':
                if (address.query.has('compare'))
                    setQuery({compare: null});
                else
                    panel.onBack();
                return true;
            case 'ArrowDown': case 'ArrowUp': case 'ArrowLeft': case 'ArrowRight': case 'Home': case 'End':
                // In the panel, these keys scroll, or move in what is there.
                if (panel.element.contains(document.activeElement))
                    return false;
                tree.element.focus();
                return tree.list.handleKey(event);
            case 'j': case 'k': case 'r':
                return tree.list.handleKey(event);
            default:
                return false;
            }
        },
    };
}
