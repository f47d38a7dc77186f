// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any value of JSON, for reading: names with their values, texts with their lines. The JSON view has the exact
// form.

import {_, ngettext} from './words.js';
import {h} from './element.js';
import {makeText} from './long-text.js';
import {toLine} from './plain-text.js';

const MAX_DEPTH = 4;
const MAX_MEMBERS = 50;

function makeScalar(value) {
    const type = value === null ? 'null' : typeof value;

    return h('span', {class: `scalar ${type}`}, String(value));
}

// makeString: how the texts of members are made
function makeMembers(entries, total, depth, isList, makeString) {
    const list = h('dl', {class: isList ? 'members items' : 'members'},
        entries.map(([name, value]) => {
            const isBig = typeof value === 'object' && value !== null || typeof value === 'string' && (value.length > 60 || value.includes('\n'));

            return h('div', {class: isBig ? 'member big' : 'member'},
                h('dt', {}, h('bdi', {}, toLine(name))), h('dd', {}, typeof value === 'string' && value !== '' ? makeString(value) : makeValue(value, depth + 1)));
        }));

    if (total === entries.length)
        return list;
    return h('div', {}, list, h('p', {class: 'hint'},
        ngettext('{n} more is in the JSON view', '{n} more are in the JSON view', total - entries.length)));
}

// makeString: how a text is made, and those of the members; those farther down are as they are
export function makeValue(value, depth = 0, makeString = makeText) {
    if (typeof value === 'string')
        return value === '' ? h('span', {class: 'none'}, _('(empty)')) : makeString(value);
    if (typeof value !== 'object' || value === null)
        return makeScalar(value);
    const entries = Array.isArray(value) ? value.map((one, i) => [String(i), one]) : Object.entries(value);

    if (entries.length === 0)
        return h('span', {class: 'none'}, Array.isArray(value) ? '[]' : '{}');
    if (depth >= MAX_DEPTH)
        return makeText(JSON.stringify(value, null, 2), 'code');
    return makeMembers(entries.slice(0, MAX_MEMBERS), entries.length, depth, Array.isArray(value), makeString);
}
