// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text of any length: first its beginning, and more on demand, in pieces that the browser lays out only when they
// are seen.

import {_} from './words.js';
import {formatBytes} from './format.js';
import {h} from './element.js';
import {toPieces} from './plain-text.js';

const FIRST = 6000;
const PIECE = 8000;
// Pieces that are added in one frame.
const IN_FRAME = 4;

// Where to cut, so that a piece ends with a line, or at least with a character.
function findEnd(text, at) {
    if (at >= text.length)
        return text.length;
    const line = text.lastIndexOf('\n', at);

    if (line > at - PIECE / 2)
        return line + 1;
    return text.codePointAt(at - 1) > 0xffff ? at + 1 : at;
}

// Returns an element with a text. It is the beginning of what is kept when it is shown again: see keep.js.
export function makeText(text, className = '') {
    const element = h('div', {class: `text ${className}`, dir: 'auto'});
    let end = 0;
    let goal = FIRST;

    function add(size) {
        const next = findEnd(text, end + size);

        more.before(h('span', {class: end === 0 ? 'text-piece first' : 'text-piece', dir: 'auto'}, toPieces(text.slice(end, next))));
        end = next;
    }

    function showButton() {
        more.hidden = end >= text.length;
        more.textContent = _('Show more ({size} left)', {size: formatBytes(text.length - end)});
    }

    function work() {
        for (let i = 0; i < IN_FRAME && end < goal && end < text.length; i++)
            add(PIECE);
        showButton();
        if (end < goal && end < text.length)
            requestAnimationFrame(work);
    }

    const more = h('button', {type: 'button', class: 'button more', data: {more: ''}, on: {click: () => {
        goal = end * 8;
        work();
    }}});
    element.append(more);
    add(text.length < FIRST * 1.3 ? text.length : FIRST);
    showButton();
    return element;
}
