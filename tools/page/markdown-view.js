// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What models say, with its headings, lists, tables, code and links; and a switch to the text as it was written.

import {_} from './words.js';
import {copyText} from './notice.js';
import {cut, toLine, toPieces} from './plain-text.js';
import {fill, h, outLink} from './element.js';
import {formatBytes} from './format.js';
import {hasMarkup, readLine, readMarkdown} from './markdown.js';
import {icon} from './icons.js';
import {makeText} from './long-text.js';

// A longer text, and a longer block, is shown as it was written.
const MAX_TEXT = 200000;
const MAX_BLOCK = 12000;
const MAX_LINES = 400;

// Characters that are shown first.
const FIRST = 6000;
// Characters that are added in one frame.
const IN_FRAME = 16000;

const MAX_SHOWN_ADDRESS = 200;

// --- lines ---

// The address of a link is always to be read, as the browser has it: a name in other letters is in those that are sent.
function makeAddress(link) {
    const shown = link.href;

    return h('bdi', {class: 'link-address', dir: 'ltr', title: shown.length > MAX_SHOWN_ADDRESS ? shown.slice(0, 2000) : null},
        shown.length > MAX_SHOWN_ADDRESS ? `${shown.slice(0, MAX_SHOWN_ADDRESS)}…` : shown);
}

function makeLink(part) {
    const link = outLink(part.address);

    if (link === null)
        return [h('bdi', {}, makeParts(part.parts, true)), ' (', h('bdi', {dir: 'ltr'}, toPieces(part.source)), ')'];
    // A text that is the address itself is not said twice.
    const isAddress = part.parts.length === 1 && part.parts[0] === part.address &&
        [part.address, `${part.address}/`].includes(link.href);

    link.append(...isAddress ? [] : [h('bdi', {}, makeParts(part.parts, true)), ' '], makeAddress(link));
    return link;
}

// An image is not fetched: it is a link to where it is, or only its name if it is in a link itself.
function makeImageLink(part, isInLink) {
    const link = isInLink || part.address === null ? null : outLink(part.address);
    const label = [icon('link'), h('bdi', {}, cut(part.label, 200) || _('Image')), ' '];

    if (isInLink)
        return h('span', {class: 'image-link'}, label);
    if (link === null)
        return h('span', {class: 'image-link'}, label, h('bdi', {class: 'link-address', dir: 'ltr'}, cut(part.source, MAX_SHOWN_ADDRESS)));
    link.classList.add('image-link');
    link.append(...label, makeAddress(link));
    return link;
}

function makePart(part, isInLink) {
    if (typeof part === 'string')
        return toPieces(part);
    switch (part.kind) {
    case 'strong': return h('strong', {}, makeParts(part.parts, isInLink));
    case 'emphasis': return h('em', {}, makeParts(part.parts, isInLink));
    case 'strike': return h('s', {}, makeParts(part.parts, isInLink));
    case 'code': return h('code', {dir: 'auto'}, toPieces(part.text));
    case 'link': return makeLink(part);
    default: return makeImageLink(part, isInLink);
    }
}

function makeParts(parts, isInLink = false) {
    return parts.map(part => makePart(part, isInLink));
}

const makeLine = text => makeParts(readLine(text));

// --- blocks ---

export function makeCode(text, language = '') {
    return h('div', {class: 'code-block'},
        h('div', {class: 'code-head'}, h('span', {class: 'code-language'}, cut(language, 40)), h('span', {class: 'push'}), h('button', {
            type: 'button', class: 'button quiet square small', 'aria-label': _('Copy the code'), title: _('Copy the code'),
            on: {click: () => copyText(text, _('Copied to the clipboard'))},
        }, icon('copy'))), makeText(text, 'code'));
}

function makeItem(item, isLoose, levels) {
    const contents = item.blocks.map((block, i) => i === 0 && block.kind === 'paragraph' && !isLoose
        ? h('div', {}, makeLine(block.text)) : makeBlock(block, levels, true));
    const check = item.checked === null ? null : h('span', {
        class: 'task', role: 'img', 'aria-label': item.checked ? _('Done') : _('Not done'),
    }, item.checked ? '☑' : '☐');

    return h('li', {class: check ? 'task-item' : null}, check, contents);
}

function makeList(block, levels, dir) {
    const items = block.items.map(item => makeItem(item, block.isLoose, levels));

    return block.ordered ? h('ol', {dir, start: block.start === 1 ? null : block.start}, items) : h('ul', {dir}, items);
}

function makeCells(tag, cells, align) {
    return h('tr', {}, cells.map((cell, i) => h(tag, {
        class: align[i] ? `to-${align[i]}` : null, scope: tag === 'th' ? 'col' : null,
    }, makeLine(cell.replace(/<br ?\/?>/gi, '\n')))));
}

function makeTable(block, dir) {
    return h('div', {class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': _('Table')}, h('table', {class: 'prose-table', dir},
        h('thead', {}, makeCells('th', block.head, block.align)),
        h('tbody', {}, block.rows.map(row => makeCells('td', row, block.align)))));
}

// levels: those of the headings of the text, in order, which are put below the headings of the page.
// isInner: it is in another block, whose direction follows from what is in it unless that has one of its own.
function makeBlock(block, levels, isInner = false) {
    const dir = isInner ? null : 'auto';

    switch (block.kind) {
    case 'heading':
        return h(`h${Math.min(6, 4 + Math.max(0, levels.indexOf(block.level)))}`, {class: `level-${block.level}`, dir}, makeLine(block.text));
    case 'rule': return h('hr');
    case 'code': return makeCode(block.text, block.language);
    case 'quote': return h('blockquote', {dir}, block.blocks.map(one => makeBlock(one, levels, true)));
    case 'list': return makeList(block, levels, dir);
    case 'table': return makeTable(block, dir);
    default: return h('p', {dir}, makeLine(block.text));
    }
}

const isLong = block => block.kind !== 'code' && (block.source.length > MAX_BLOCK || block.nLines > MAX_LINES);

// The blocks of a text: first its beginning, and more on demand, as in long-text.js.
function makeRich(blocks) {
    const levels = [...new Set(blocks.filter(block => block.kind === 'heading').map(block => block.level))].sort();
    const element = h('div', {class: 'rich'});
    let at = 0;
    let left = blocks.reduce((sum, block) => sum + block.source.length, 0);
    let shown = 0;
    let goal = FIRST;

    function add(size) {
        const piece = h('div', {class: 'rich-piece'});
        const end = shown + size;

        while (at < blocks.length && (shown < end || left < FIRST * 0.3)) {
            const block = blocks[at];

            piece.append(isLong(block) ? makeText(block.source) : makeBlock(block, levels));
            shown += block.source.length;
            left -= block.source.length;
            at += 1;
        }
        more.before(piece);
    }

    function showButton() {
        more.hidden = at >= blocks.length;
        more.textContent = _('Show more ({size} left)', {size: formatBytes(left)});
    }

    function work() {
        add(Math.min(IN_FRAME, goal - shown));
        showButton();
        if (shown < goal && at < blocks.length)
            requestAnimationFrame(work);
    }

    const more = h('button', {type: 'button', class: 'button more', data: {more: ''}, on: {click: () => {
        goal = shown * 8;
        work();
    }}});
    element.append(more);
    work();
    return element;
}

// --- texts ---

// How the texts that have two forms are shown.
const texts = new WeakMap();

function showProse(element, asSource) {
    const {text, blocks} = texts.get(element);

    fill(element, asSource ? makeText(text, 'code') : makeRich(blocks));
}

// A text of a message: with its marks read, if it has any.
export function makeProse(text) {
    const blocks = text.length > MAX_TEXT ? [] : readMarkdown(text);

    if (!hasMarkup(blocks.filter(block => !isLong(block))))
        return makeText(text);
    const element = h('div', {class: 'prose'});
    texts.set(element, {text, blocks});
    showProse(element, false);
    return element;
}

// A button that shows the texts in some elements as they were written, or null if they are shown so anyway.
// key: what the button is known by, see keep.js
export function makeSourceSwitch(elements, key) {
    const proses = elements.flatMap(element => element instanceof Element
        ? texts.has(element) ? [element] : [...element.querySelectorAll('.prose')] : []);
    const button = h('button', {
        type: 'button', class: 'button quiet small source-switch', 'aria-pressed': 'false', title: _('Show the text as it was written'), data: {keep: key},
    }, _('Source'));

    if (proses.length === 0)
        return null;
    button.addEventListener('click', () => {
        const asSource = button.getAttribute('aria-pressed') !== 'true';

        button.setAttribute('aria-pressed', String(asSource));
        proses.forEach(element => showProse(element, asSource));
    });
    return button;
}
