// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One trace in the list of a project.

import {_} from './words.js';
import {addresses} from './router.js';
import {formatCost, formatCount, formatDuration, formatExactTime, formatNumber, formatShortCost, formatTime, isNumber, nameStatus, parseTime} from './format.js';
import {h} from './element.js';
import {statusSign} from './run-signs.js';
import {toLine} from './plain-text.js';

const MAX_TAGS = 3;

const narrow = matchMedia('(max-width: 760px)');

// Pixels; lists.css has the same.
export const traceRowHeight = () => narrow.matches ? 92 : 58;

function head(label, className = '') {
    return h('div', {role: 'columnheader', class: `cell ${className}`}, label);
}

export function makeTraceHead() {
    return h('div', {class: 'row-head', role: 'row', 'aria-rowindex': 1},
        head(h('span', {class: 'unseen'}, _('Status')), 'status'), head(_('Name')), head(_('Input and output')), head(_('Start'), 'number'),
        head(_('Latency'), 'number'), head(_('First token'), 'number'), head(_('Tokens'), 'number'), head(_('Cost'), 'number'));
}

function cell(className, label, ...contents) {
    return h('div', {role: 'gridcell', class: `cell ${className}`, data: {label}}, contents);
}

function makeTags(row) {
    const tags = Array.isArray(row.tags) ? row.tags : [];

    return h('div', {class: 'tags'},
        row.thread && h('span', {class: 'tag thread', title: _('Thread')}, h('bdi', {}, toLine(row.thread))),
        tags.slice(0, MAX_TAGS).map(tag => h('span', {class: 'tag'}, h('bdi', {}, toLine(tag)))),
        tags.length > MAX_TAGS && h('span', {class: 'tag'}, `+${tags.length - MAX_TAGS}`),
        Object.entries(row.feedback ?? {}).slice(0, 2).map(([key, score]) => h('span', {class: 'tag feedback', title: _('Feedback')},
            h('bdi', {}, toLine(key)), isNumber(score) && h('b', {}, formatNumber(score)))));
}

export function makeTraceRow(row) {
    const time = parseTime(row.start_time);
    const tokens = row.tokens ?? {};

    return h('div', {role: 'row', class: `trace-row status-${row.status}`},
        cell('status', _('Status'), statusSign(row.status), h('span', {class: 'unseen'}, nameStatus(row.status))),
        cell('name', _('Name'),
            h('a', {href: addresses.trace(row.id), tabindex: -1, class: 'trace-name'}, h('bdi', {}, toLine(row.name) || _('(no name)'))),
            makeTags(row)),
        cell('texts', _('Input and output'),
            h('div', {class: 'line input', dir: 'auto'}, toLine(row.input)),
            row.error
                ? h('div', {class: 'line error-text', dir: 'auto'}, toLine(row.error))
                : h('div', {class: 'line output', dir: 'auto'}, toLine(row.output))),
        cell('number time', _('Start'), h('time', {title: formatExactTime(time)}, formatTime(time))),
        cell('number latency', _('Latency'), row.status === 'pending' ? h('span', {class: 'running'}, _('Running')) : formatDuration(row.latency)),
        cell('number first', _('First token'), formatDuration(row.first_token)),
        cell('number tokens', _('Tokens'), tokens.total ? h('span', {
            title: _('{input} in, {output} out', {input: formatNumber(tokens.input ?? 0), output: formatNumber(tokens.output ?? 0)}),
        }, formatCount(tokens.total)) : ''),
        cell('number cost', _('Cost'), row.cost ? h('span', {title: formatCost(row.cost)}, formatShortCost(row.cost)) : ''));
}
