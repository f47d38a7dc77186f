// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two runs side by side, with what differs marked.

import {_} from './words.js';
import {addresses, setQuery} from './router.js';
import {api} from './api.js';
import {diffLists, diffWords} from './diff.js';
import {emptyState, errorState, skeleton} from './states.js';
import {fill, h} from './element.js';
import {formatCost, formatDuration, formatNumber, formatTime, isNumber, nameStatus, parseTime} from './format.js';
import {icon} from './icons.js';
import {openDialog} from './dialog.js';
import {readConversation, textOf} from './conversation.js';
import {statusSign} from './run-signs.js';
import {textOfValue} from './value-text.js';
import {cut, toLine, toPieces} from './plain-text.js';

const MAX_LINES = 4000;
const MAX_LINE = 2000;
// Equal lines that are shown around what differs.
const CONTEXT = 3;
const MAX_CHOICES = 50;

function latencyOf(run) {
    const start = parseTime(run.start_time);
    const end = parseTime(run.end_time);

    return end === null || start === null ? null : (end - start) / 1000;
}

// --- numbers ---

function factRow(label, a, b, format, lowerIsBetter = true) {
    const difference = isNumber(a) && isNumber(b) ? b - a : null;
    const share = difference && a ? ` (${difference > 0 ? '+' : ''}${formatNumber(100 * difference / a)} %)` : '';
    const differs = a !== b;

    return h('tr', {class: differs ? 'differs' : ''}, h('th', {scope: 'row'}, label),
        h('td', {}, format(a) || '–'), h('td', {}, format(b) || '–', differs && share && h('span', {
            class: difference > 0 === lowerIsBetter ? 'change worse' : 'change better',
        }, share)));
}

function makeFacts(a, b) {
    const text = value => toLine(value);
    const number = value => isNumber(value) && value > 0 ? formatNumber(value) : '';

    return h('table', {class: 'table compare-facts'},
        h('thead', {}, h('tr', {}, h('th', {}, h('span', {class: 'unseen'}, _('What'))), h('th', {scope: 'col'}, _('This run')),
            h('th', {scope: 'col'}, _('Other run')))),
        h('tbody', {},
            factRow(_('Name'), a.name, b.name, text), factRow(_('Status'), a.status, b.status, nameStatus),
            factRow(_('Start'), a.start_time, b.start_time, value => formatTime(parseTime(value))),
            factRow(_('Latency'), latencyOf(a), latencyOf(b), formatDuration),
            factRow(_('Input tokens'), a.prompt_tokens, b.prompt_tokens, number),
            factRow(_('Output tokens'), a.completion_tokens, b.completion_tokens, number),
            factRow(_('Cost'), Number(a.total_cost) || 0, Number(b.total_cost) || 0, value => value ? formatCost(value) : ''),
            factRow(_('Model'), modelOf(a), modelOf(b), text)));
}

function modelOf(run) {
    const metadata = run.extra?.metadata ?? {};

    return metadata.ls_model_name ?? run.extra?.invocation_params?.model ?? '';
}

// --- texts ---

function makeLine(text, other, tag) {
    if (text === undefined)
        return h('div', {class: 'diff-line missing'});
    if (other === undefined || text.length > MAX_LINE || other.length > MAX_LINE)
        return h('div', {class: `diff-line ${tag}`, dir: 'auto'}, h(tag, {}, toPieces(text.slice(0, MAX_LINE)), text.length > MAX_LINE && '…'));
    const side = tag === 'del' ? 'a' : 'b';
    const parts = tag === 'del' ? diffWords(text, other) : diffWords(other, text);

    return h('div', {class: `diff-line ${tag}`, dir: 'auto'}, parts.map(part => part.same ? toPieces(part[side]) : part[side] && h(tag, {}, toPieces(part[side]))));
}

function equalRows(lines) {
    const row = line => [h('div', {class: 'diff-line', dir: 'auto'}, toPieces(line.slice(0, MAX_LINE))),
        h('div', {class: 'diff-line', dir: 'auto'}, toPieces(line.slice(0, MAX_LINE)))];

    if (lines.length <= 2 * CONTEXT + 2)
        return lines.map(row);
    const hidden = lines.slice(CONTEXT, -CONTEXT);
    const more = h('button', {type: 'button', class: 'button diff-more', on: {click: () => more.replaceWith(...hidden.flatMap(row))}},
        _('Show {n} equal lines', {n: formatNumber(hidden.length)}));
    return [lines.slice(0, CONTEXT).map(row), more, lines.slice(-CONTEXT).map(row)];
}

function makeDiff(a, b) {
    const linesA = a.split('\n');
    const linesB = b.split('\n');
    const parts = diffLists(linesA.slice(0, MAX_LINES), linesB.slice(0, MAX_LINES));

    if (a === b)
        return h('p', {class: 'none'}, a === '' ? _('Both are empty') : _('Both are equal'));
    return [h('div', {class: 'diff'}, parts.map(part => {
        if (part.same)
            return equalRows(part.a);
        return Array.from({length: Math.max(part.a.length, part.b.length)}, (unused, i) =>
            [makeLine(part.a[i], part.b[i], 'del'), makeLine(part.b[i], part.a[i], 'ins')]);
    })), Math.max(linesA.length, linesB.length) > MAX_LINES && h('p', {class: 'hint'}, _('Only the first {n} lines are compared.', {n: formatNumber(MAX_LINES)}))];
}

// --- the view ---

export class CompareView {
    element = h('div', {class: 'compare'}, skeleton(6));

    constructor(run, otherId, signal) {
        this.#load(run, otherId, signal);
    }

    async #load(run, otherId, signal) {
        try {
            const {run: other} = await api.getRun(otherId, signal);

            this.#show(run, other);
        } catch (error) {
            if (error.name !== 'AbortError')
                fill(this.element, errorState(error), this.#closeButton());
        }
    }

    #closeButton() {
        return h('button', {type: 'button', class: 'button', on: {click: () => setQuery({compare: null})}}, icon('close'), _('End the comparison'));
    }

    #show(a, b) {
        const part = (label, x, y) => h('section', {class: 'part'}, h('div', {class: 'part-head'}, h('h3', {}, label)), makeDiff(textOfValue(x), textOfValue(y)));

        fill(this.element,
            h('div', {class: 'compare-head'}, this.#closeButton(),
                h('a', {class: 'button', href: `${addresses.trace(b.trace_id, b.id)}&compare=${encodeURIComponent(a.id)}`}, icon('compare'), _('Change sides')),
                h('a', {class: 'button quiet', href: addresses.trace(b.trace_id, b.id)}, icon('link'), _('Go to the other run'))),
            makeFacts(a, b),
            (a.error || b.error) && part(_('Error'), a.error ?? '', b.error ?? ''),
            part(_('Input'), a.inputs, b.inputs), part(_('Output'), a.outputs, b.outputs));
    }
}

// --- which run to compare with ---

// What a run was asked, in a line: in a conversation, what was said last.
function describeInputs(inputs) {
    const messages = readConversation(inputs)?.messages ?? [];

    return textOf(messages.filter(message => message.role !== 'system').slice(-1)) || textOf(messages.slice(-1)) || textOfValue(inputs);
}

function readId(text) {
    const ids = text.match(/[0-9a-f]{8}-[0-9a-f-]{27}/gi) ?? [];

    return ids.at(-1)?.toLowerCase() ?? null;
}

// Asks for the other run: one with the same name, one that a search finds, or one by its link or id.
export function openCompareDialog(run) {
    const results = h('div', {class: 'choices'}, skeleton(4));
    const field = h('input', {
        type: 'search', placeholder: _('Words in the run, its link or its id'), 'aria-label': _('Words in the run, its link or its id'), autocomplete: 'off',
        autofocus: true,
    });
    const dialog = openDialog(_('Compare with another run'), [
        h('div', {class: 'search'}, icon('search'), field), h('p', {class: 'hint'}, _('These have the same name, or the words above:')), results,
    ]);
    let asked = 0;

    function choose(id) {
        dialog.close();
        setQuery({compare: id}, {push: true});
    }

    function makeChoice(other) {
        return h('button', {type: 'button', class: 'choice', on: {click: () => choose(other.id)}},
            statusSign(other.status), h('bdi', {class: 'choice-name'}, toLine(other.name)),
            h('span', {class: 'choice-time'}, [formatTime(parseTime(other.start_time)), formatDuration(latencyOf(other))].filter(Boolean).join(' · ')),
            h('span', {class: 'choice-text', dir: 'auto'}, cut(describeInputs(other.inputs), 120)));
    }

    async function load() {
        const words = field.value.trim();
        const id = readId(words);
        const number = ++asked;

        if (id) {
            fill(results, h('button', {type: 'button', class: 'choice', on: {click: () => choose(id)}}, h('code', {}, id)));
            return;
        }
        try {
            const answer = await api.queryRuns({
                session: [run.session_id], limit: MAX_CHOICES, select: ['id', 'name', 'status', 'start_time', 'end_time', 'inputs'],
                ...words ? {query: words} : {filter: `eq(name, ${JSON.stringify(run.name)})`},
            });
            const runs = answer.runs.filter(other => other.id !== run.id);

            if (number === asked)
                fill(results, runs.length > 0 ? runs.map(makeChoice) : emptyState('search', _('No other run matches')));
        } catch (error) {
            fill(results, h('p', {class: 'form-problem', role: 'alert'}, error.message));
        }
    }

    field.addEventListener('input', load);
    field.addEventListener('keydown', event => {
        if (event.key === 'Enter' && readId(field.value))
            choose(readId(field.value));
    });
    load();
}
