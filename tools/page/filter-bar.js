// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The search, and the filters of the traces of a project. It changes the address only; see filter.js.

import {_} from './words.js';
import {fill, h, newId} from './element.js';
import {icon} from './icons.js';
import {PARAMETERS, isFiltered} from './filter.js';
import {openDialog} from './dialog.js';
import {setQuery} from './router.js';
import {toLine} from './plain-text.js';

const TYPE_DELAY_MS = 250;
const TYPES = ['chain', 'llm', 'tool', 'retriever', 'embedding', 'prompt', 'parser'];

function timeChoices() {
    return [
        ['', _('Any time')], ['15m', _('Last 15 minutes')], ['1h', _('Last hour')], ['24h', _('Last 24 hours')],
        ['7d', _('Last 7 days')], ['30d', _('Last 30 days')],
    ];
}

function statusChoices() {
    return [['', _('All')], ['error', _('Errors')], ['pending', _('Running')], ['success', _('Successes')]];
}

// The filters that are shown as chips, with the words before their values.
function chipLabels() {
    return {
        type: _('Type'), tag: _('Tag'), name: _('Name'), meta: _('Metadata'), thread: _('Thread'),
        latency: _('Latency ≥ (s)'), 'latency-max': _('Latency ≤ (s)'), tokens: _('Tokens ≥'), 'tokens-max': _('Tokens ≤'),
        from: _('From'), to: _('To'),
    };
}

function takeAway(query, name, value) {
    setQuery({[name]: query.getAll(name).filter(one => one !== value)});
}

function makeChips(query) {
    const labels = chipLabels();

    return Object.keys(labels).flatMap(name => query.getAll(name).map(value => h('span', {class: 'chip'},
        h('span', {class: 'chip-name'}, labels[name]), ' ', h('bdi', {}, toLine(value)),
        h('button', {
            type: 'button', class: 'chip-close', title: _('Remove this filter'),
            'aria-label': _('Remove the filter “{name} {value}”', {name: labels[name], value: toLine(value)}),
            on: {click: () => takeAway(query, name, value)},
        }, icon('close')))));
}

// --- the dialog with all filters ---

function labelled(label, input, hint) {
    input.id = newId('field');
    return h('div', {class: 'field'}, h('label', {for: input.id}, label), input, hint && h('p', {class: 'hint'}, hint));
}

function pair(label, first, second) {
    return h('fieldset', {class: 'field pair'}, h('legend', {}, label), first, h('span', {'aria-hidden': 'true'}, '–'), second);
}

const amount = (query, name, label) => h('input', {
    type: 'number', min: 0, step: 'any', name, 'aria-label': label, placeholder: label, value: query.get(name) ?? '',
});

// The time of a field is the user's, that of the address is in UTC.
function toLocal(text) {
    const time = Date.parse(text ?? '');

    return Number.isNaN(time) ? '' : new Date(time - new Date(time).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function fromLocal(text) {
    const time = new Date(text);

    return text === '' || Number.isNaN(time.getTime()) ? null : time.toISOString();
}

const moment = (query, name, label) =>
    h('input', {type: 'datetime-local', name, 'aria-label': label, value: toLocal(query.get(name))});

function readForm(form) {
    const data = new FormData(form);
    const values = Object.fromEntries(PARAMETERS.filter(name => data.has(name)).map(name => [name, data.get(name)]));

    values.tag = data.get('tag').split(',').map(tag => tag.trim());
    values.meta = data.get('meta').split('\n').map(line => line.trim().replace(/\s*[:=]\s*/, ':'));
    values.from = fromLocal(data.get('from'));
    values.to = fromLocal(data.get('to'));
    if (values.from || values.to)
        values.since = null;
    return values;
}

function openFilters(query) {
    const types = [...new Set([...TYPES, query.get('type') ?? ''])].filter(Boolean);
    const form = h('form', {class: 'form'},
        labelled(_('Type of a run'), h('select', {name: 'type'}, h('option', {value: ''}, _('Any')),
            types.map(type => h('option', {value: type, selected: type === query.get('type')}, type)))),
        labelled(_('Name of a run'), h('input', {name: 'name', value: query.get('name') ?? '', autocomplete: 'off'})),
        labelled(_('Tags'), h('input', {name: 'tag', value: query.getAll('tag').join(', '), autocomplete: 'off'}),
            _('Several are separated by commas.')),
        labelled(_('Metadata'), h('textarea', {name: 'meta', rows: 2, placeholder: 'user: ada', value: query.getAll('meta').join('\n')}),
            _('One name and value in each line.')),
        labelled(_('Thread'), h('input', {name: 'thread', value: query.get('thread') ?? '', autocomplete: 'off'})),
        pair(_('Latency in seconds'), amount(query, 'latency', _('At least')), amount(query, 'latency-max', _('At most'))),
        pair(_('Tokens'), amount(query, 'tokens', _('At least')), amount(query, 'tokens-max', _('At most'))),
        pair(_('Time of the start'), moment(query, 'from', _('From')), moment(query, 'to', _('To'))),
        h('div', {class: 'dialog-actions'},
            h('button', {type: 'submit', class: 'button primary'}, _('Show traces'))));
    const dialog = openDialog(_('Filters'), form);

    form.addEventListener('submit', event => {
        event.preventDefault();
        dialog.close();
        setQuery(readForm(form), {push: true});
    });
}

// --- the bar ---

function makeSearch() {
    let timer = 0;
    const field = h('input', {
        type: 'search', placeholder: _('Search in all texts'), 'aria-label': _('Search in all texts'), autocomplete: 'off',
        spellcheck: 'false',
    });

    field.addEventListener('input', () => {
        clearTimeout(timer);
        timer = setTimeout(() => setQuery({q: field.value.trim()}), TYPE_DELAY_MS);
    });
    return {
        field,
        element: h('div', {class: 'search'}, icon('search'), field, h('kbd', {'aria-hidden': 'true'}, '/')),
    };
}

// Returns: {element, update (query)}
export function makeFilterBar(actions) {
    const search = makeSearch();
    const status = h('div', {class: 'segments', role: 'group', 'aria-label': _('Status')});
    const time = h('select', {class: 'select', 'aria-label': _('Time of the start')});
    const order = h('button', {type: 'button', class: 'button'}, icon('error'), h('span', {class: 'wide-only'}, _('Errors first')));
    const more = h('button', {type: 'button', class: 'button'}, icon('filter'), _('Filters'));
    const chips = h('div', {class: 'chips'});
    let query = new URLSearchParams();

    time.addEventListener('change', () => setQuery({since: time.value, from: null, to: null}, {push: true}));
    order.setAttribute('aria-label', _('Errors first'));
    order.addEventListener('click', () => setQuery({order: query.get('order') === 'errors' ? null : 'errors'}, {push: true}));
    more.addEventListener('click', () => openFilters(query));

    function update(newQuery) {
        query = newQuery;
        if (document.activeElement !== search.field)
            search.field.value = query.get('q') ?? '';
        fill(status, statusChoices().map(([value, label]) => h('button', {
            type: 'button', class: 'segment', 'aria-pressed': String((query.get('status') ?? '') === value),
            on: {click: () => setQuery({status: value}, {push: true})},
        }, label)));
        const range = query.has('from') || query.has('to');
        fill(time, timeChoices().map(([value, label]) => h('option', {value}, label)),
            range && h('option', {value: 'range'}, _('Chosen times')));
        time.value = range ? 'range' : query.get('since') ?? '';
        order.setAttribute('aria-pressed', String(query.get('order') === 'errors'));
        fill(chips, makeChips(query), isFiltered(query) && h('button', {
            type: 'button', class: 'button quiet', on: {
                click: () => setQuery(Object.fromEntries(PARAMETERS.map(name => [name, null])), {push: true}),
            },
        }, _('Show all traces')));
        chips.hidden = chips.childElementCount === 0;
    }

    return {
        element: h('div', {class: 'filter-bar'},
            h('div', {class: 'filter-line'}, search.element, status, time, order, more, h('span', {class: 'push'}), actions),
            chips),
        update,
    };
}
