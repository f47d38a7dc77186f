// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text of traces. What a reader would not see, or what would change the direction or the order of the text
// around it, is replaced by a sign that names it.

import {h} from './element.js';

// Controls but tab and line feed; marks and overrides of direction; separators; invisible spaces, tags.
const HIDDEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function nameOf(character) {
    return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

// Text for one line: white space is one space, signs are in angle brackets.
export function toLine(text) {
    return String(text ?? '').replace(/\r\n?/g, '\n').replace(HIDDEN, c => `⟨${nameOf(c)}⟩`).replace(/\s+/g, ' ').trim();
}

// Text with its lines. Returns what h () takes: pieces of text, and an element for each sign.
export function toPieces(text) {
    const pieces = [];
    const lines = text.replace(/\r\n?/g, '\n');
    let at = 0;

    for (const match of lines.matchAll(HIDDEN)) {
        pieces.push(lines.slice(at, match.index));
        pieces.push(h('span', {class: 'sign'}, nameOf(match[0])));
        at = match.index + match[0].length;
    }
    pieces.push(lines.slice(at));
    return pieces;
}

// The first line of something, at most so many characters.
export function cut(text, length) {
    const characters = String(text ?? '').slice(0, length * 2);
    const line = toLine(characters);

    return line.length > length ? `${line.slice(0, length)}…` : line;
}
