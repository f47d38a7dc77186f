// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Small signs for the status and the numbers of a run.

import {h} from './element.js';
import {icon} from './icons.js';

// A round sign; a text beside it, or the label of its row, says the same.
export function statusSign(status) {
    const name = {error: 'error', pending: 'pending'}[status] ?? 'check';

    return h('span', {class: `sign-status ${name}`}, icon(name));
}

// A number with its word before it.
export function figure(label, ...value) {
    return h('div', {class: 'figure'}, h('dt', {}, label), h('dd', {}, value));
}
