// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is known about a run beside its input and output: usage and cost, metadata, tags, events, ids.

import {_} from './words.js';
import {formatCost, formatDuration, formatExactTime, formatNumber, parseTime} from './format.js';
import {h} from './element.js';
import {makeValue} from './value-view.js';
import {addresses} from './router.js';
import {cut, toLine} from './plain-text.js';

const MAX_EVENTS = 200;

function section(title, ...contents) {
    return h('section', {class: 'part'}, h('div', {class: 'part-head'}, h('h3', {}, title)), contents);
}

function usageRow(label, tokens, cost) {
    const number = text => h('td', {class: 'number'}, text || h('span', {class: 'none'}, '–'));

    return h('tr', {}, h('th', {scope: 'row'}, label), number(formatNumber(tokens?.input)), number(formatNumber(tokens?.output)),
        number(formatNumber(tokens?.total)), number(cost ? formatCost(Number(cost)) : ''));
}

function makeUsage(answer, model) {
    const light = model?.get(answer.run.id);
    const {own} = answer;

    if (!light?.tokens?.total && !own?.tokens?.total)
        return null;
    return section(_('Usage and cost'), h('table', {class: 'table usage'},
        h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, h('span', {class: 'unseen'}, _('Of what'))),
            [_('Input tokens'), _('Output tokens'), _('All tokens'), _('Cost')].map(label => h('th', {scope: 'col', class: 'number'}, label)))),
        h('tbody', {}, usageRow(_('This run'), own?.tokens, own?.cost), usageRow(_('With all runs below it'), light?.tokens, light?.cost))));
}

function makeEvents(run) {
    const start = parseTime(run.start_time);
    const events = Array.isArray(run.events) ? run.events : [];

    if (events.length === 0)
        return null;
    return section(_('Events'), h('ol', {class: 'events'}, events.slice(0, MAX_EVENTS).map(event => {
        const time = parseTime(event?.time);
        const {name, time: when, ...more} = event ?? {};

        return h('li', {}, h('span', {class: 'event-time number', title: formatExactTime(time)},
            time === null || start === null ? toLine(when) : `+${formatDuration((time - start) / 1000)}`),
        h('bdi', {class: 'event-name'}, toLine(name)),
        Object.keys(more).length > 0 && h('code', {class: 'event-more', dir: 'auto'}, cut(JSON.stringify(more), 300)));
    })), events.length > MAX_EVENTS && h('p', {class: 'hint'}, _('All {n} events are in the JSON view.', {n: formatNumber(events.length)})));
}

function fact(label, value) {
    return value === null || value === undefined || value === '' ? null
        : h('div', {class: 'member'}, h('dt', {}, label), h('dd', {}, value));
}

// Returns elements.
export function makeDetails(answer, model) {
    const {run} = answer;
    const {metadata, ...extra} = run.extra ?? {};
    const tags = Array.isArray(run.tags) ? run.tags : [];
    const has = value => value && Object.keys(value).length > 0;

    return [
        makeUsage(answer, model),
        tags.length > 0 && section(_('Tags'), h('div', {class: 'tags'}, tags.map(tag => h('a', {
            class: 'tag', href: `${addresses.traces(run.session_id)}?tag=${encodeURIComponent(tag)}`, title: _('Traces with this tag'),
        }, h('bdi', {}, toLine(tag)))))),
        section(_('Metadata'), has(metadata) ? makeValue(metadata) : h('p', {class: 'none'}, _('No metadata'))),
        makeEvents(run),
        has(extra) && section(_('More about the run'), makeValue(extra)),
        section(_('Ids and times'), h('dl', {class: 'members'},
            fact(_('Run'), h('code', {}, run.id)), fact(_('Trace'), h('code', {}, run.trace_id)),
            fact(_('Thread'), run.thread_id && h('a', {href: addresses.threads(run.session_id, run.thread_id)}, h('bdi', {}, toLine(run.thread_id)))),
            fact(_('Parent'), run.parent_run_id && h('code', {}, run.parent_run_id)),
            fact(_('Start'), formatExactTime(parseTime(run.start_time))), fact(_('End'), formatExactTime(parseTime(run.end_time))),
            fact(_('First token'), formatExactTime(parseTime(run.first_token_time))))),
    ];
}
